"""Anthropic's turns as OpenAI's messages, and back to what every provider reads."""

import pytest
from marshmallow import ValidationError

from schemas.anthropic.contents import chat_messages, plain_messages, system_message

MARK = {"type": "ephemeral"}


def _user(*blocks):
    return chat_messages([{"role": "user", "content": list(blocks)}])


def _assistant(*blocks):
    (message,) = chat_messages([{"role": "assistant", "content": list(blocks)}])
    return message


def _text(text, **more):
    return {"type": "text", "text": text, **more}


@pytest.mark.parametrize(
    ("system", "content"),
    [
        ("Be brief.", "Be brief."),
        ([_text("Be brief."), _text("Be kind.")], "Be brief.\nBe kind."),
        (
            [_text("Be brief.", cache_control=MARK)],
            [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
        ),
    ],
)
def test_a_system_prompt_is_the_first_message(system, content):
    """As text wherever that says all of it."""
    assert system_message(system) == [{"role": "system", "content": content}]


@pytest.mark.parametrize("system", ["", [], None])
def test_no_system_prompt_is_no_message(system):
    """Some providers refuse an empty one."""
    assert system_message(system) == []


def test_text_and_images_become_parts():
    """Bytes as a data URL, an address as it is."""
    inline = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    linked = {"type": "url", "url": "https://x.test/a.png"}
    (message,) = _user(
        _text("look"), {"type": "image", "source": inline}, {"type": "image", "source": linked}
    )

    assert message == {
        "role": "user",
        "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ],
    }


def test_documents_become_files_or_text():
    """A PDF as a file, plain text as text."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    (message,) = _user(
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
    )

    file = {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}
    assert message["content"] == [{"type": "file", "file": file}, {"type": "text", "text": "b"}]


def test_results_of_tools_come_first_each_as_a_message():
    """OpenAI wants them right behind the call; images in them can only be shown by the user."""
    image = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [_text("sunny"), image]}
    seen = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}

    messages = _user(_text("and"), result, {"type": "tool_result", "tool_use_id": "t2"})

    assert messages == [
        {"role": "tool", "tool_call_id": "t1", "content": [_text("sunny"), seen]},
        {"role": "tool", "tool_call_id": "t2", "content": ""},
        {"role": "user", "content": "and"},
    ]
    assert plain_messages(messages) == [
        {"role": "tool", "tool_call_id": "t1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "t2", "content": ""},
        {"role": "user", "content": [seen, _text("and")]},
    ]
    assert plain_messages(_user({**result, "content": [image]}))[1:] == [
        {"role": "user", "content": [seen]}
    ]


def test_a_result_of_text_alone_needs_no_word_of_the_user():
    """Nor does a mark in it."""
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [_text("a", cache_control=MARK)],
    }

    (message,) = _user(result)

    assert message["content"] == [_text("a", cache_control=MARK)]
    assert plain_messages([message])[0]["content"] == "a"


def test_an_answer_keeps_its_words_its_calls_and_its_thoughts():
    """All that the next turn needs, thoughts where they stood; a call alone has no text."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "e"}
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
    call = {"id": "t1", "type": "function", "function": function}

    message = _assistant(thought, _text("I look."), hidden, {**use, "cache_control": MARK})

    assert message == {
        "role": "assistant",
        "content": [thought, _text("I look."), hidden],
        "tool_calls": [{**call, "cache_control": MARK}],
    }
    assert plain_messages([message]) == [
        {"role": "assistant", "content": "I look.", "tool_calls": [call]}
    ]
    assert _assistant(use)["content"] is None
    assert plain_messages([_assistant(thought, use)])[0]["content"] is None


def test_what_only_anthropic_knows_is_taken_out_for_others():
    """Strict providers refuse words they do not know."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    messages = [
        *_user(result, _text("a", cache_control=MARK)),
        _assistant(thought, _text("b")),
    ]

    assert plain_messages(messages) == [
        {"role": "tool", "tool_call_id": "t1", "content": "no"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]


@pytest.mark.parametrize(
    ("role", "block", "field"),
    [
        ("user", {"type": "file"}, "0.type"),
        ("user", {"type": 7}, "0.type"),
        ("user", {"type": "text"}, "0.text"),
        ("user", {"type": "text", "text": 7}, "0.text"),
        ("user", "loose", "0"),
        ("user", {"type": "image"}, "0.source"),
        ("user", {"type": "image", "source": {"type": 7}}, "0.source.type"),
        ("user", {"type": "image", "source": {"type": "url"}}, "0.source.url"),
        ("user", {"type": "tool_result"}, "0.tool_use_id"),
        ("user", {"type": "tool_result", "tool_use_id": "t", "content": [7]}, "0.content.0"),
        ("assistant", {"type": "tool_use", "id": "t", "name": "n", "input": "{}"}, "0.input"),
        ("assistant", {"type": "tool_use", "id": "t", "input": {}}, "0.name"),
        ("assistant", {"type": "image"}, "0.type"),
    ],
)
def test_what_is_no_block_is_named(role, block, field):
    """With its place, so that it can be mended."""
    with pytest.raises(ValidationError) as caught:
        chat_messages([{"role": role, "content": [block]}])

    assert list(caught.value.normalized_messages()) == [f"messages.0.content.{field}"]


@pytest.mark.parametrize("content", [7, None, {"type": "text"}])
def test_content_is_text_or_a_list(content):
    """Nothing else."""
    with pytest.raises(ValidationError):
        chat_messages([{"role": "user", "content": content}])


ABOUT = {"title": "T", "context": "c", "citations": {"enabled": True}}


def test_what_is_said_of_a_document_stays_with_it():
    """Its title and context, and that it is to be cited; for others it is a file or text."""
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    written = {"type": "text", "media_type": "text/plain", "data": "b"}
    blocks = [{"type": "document", "source": each, **ABOUT} for each in (pdf, written)]
    messages = _user(*blocks, _text("q"))

    file = {"file_data": "data:application/pdf;base64,AAAA", "filename": "T"}
    said = {"context": "c", "citations": {"enabled": True}}
    assert messages[0]["content"] == [
        {"type": "file", "file": file, **said},
        blocks[1],
        _text("q"),
    ]
    assert plain_messages(messages)[0]["content"] == [
        {"type": "file", "file": file},
        _text("b"),
        _text("q"),
    ]


def test_a_written_document_in_a_result_is_text_to_others():
    """Which a tool's message can have; nothing is left to be shown by the user."""
    document = {"type": "document", "source": {"type": "text", "data": "b"}, **ABOUT}
    messages = _user({"type": "tool_result", "tool_use_id": "t1", "content": [document]})

    (result,) = messages
    assert result["content"] == [document]
    assert plain_messages(messages) == [{**result, "content": "b"}]


@pytest.mark.parametrize("thoughts", [[], [{"type": "thinking", "thinking": "hm"}]])
def test_the_texts_of_an_answer_go_back_as_one(thoughts):
    """Models cut their own words into texts where they cite; a line feed was never said."""
    message = _assistant(*thoughts, _text("one "), _text("two", citations=[{"n": 1}]))

    (plain,) = plain_messages([message])
    assert plain["content"] == "one two"
    assert message["content"][-1]["citations"] == [{"n": 1}]


FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}


def test_blocks_of_anthropics_own_stand_where_they_stood():
    """In a turn of either side, and in a tool's result."""
    filed = {"type": "image", "source": {"type": "file", "file_id": "f"}}
    found = {"type": "search_result", "source": "s", "title": "t", "content": []}
    shown = {"type": "tool_result", "tool_use_id": "t1", "content": [found], "toolset_name": "x"}
    result, said = _user(shown, filed, _text("a"))

    assert _assistant(_text("a"), FOUND, _text("b"))["content"] == [_text("a"), FOUND, _text("b")]
    assert said["content"] == [filed, _text("a")]
    assert (result["content"], result["toolset_name"]) == ([found], "x")


def test_a_call_stays_in_its_place_where_one_of_openais_would_not_say_all():
    """Before other blocks, and with what is said of who called it; for others it is a call."""
    owned = {**USE, "id": "t2", "caller": {"type": "direct"}}
    message = _assistant(_text("a"), USE, _text("b"), owned, {**USE, "id": "t3", "caller": None})

    assert message["content"] == [_text("a"), USE, _text("b"), owned]
    assert [each["id"] for each in message["tool_calls"]] == ["t3"]
    (plain,) = plain_messages([message])
    assert plain["content"] == "ab"
    assert [each["id"] for each in plain["tool_calls"]] == ["t1", "t2", "t3"]
    assert plain["tool_calls"][1].keys() == {"id", "type", "function"}
