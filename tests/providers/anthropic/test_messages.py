"""Messages in OpenAI's shape as turns of blocks."""

import pytest

from providers.anthropic.messages import turns_and_system
from providers.protocol import ProviderRejected

PNG = "data:image/png;base64,AAAA"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}


def _text(text):
    return {"type": "text", "text": text}


def _turns(*messages):
    return turns_and_system(list(messages))[0]


def _content(*parts):
    return _turns({"role": "user", "content": list(parts)})[0]["content"]


def test_the_systems_words_stand_beside_the_turns():
    """From wherever they were said, in their order, by either name."""
    turns, system = turns_and_system(
        [
            {"role": "system", "content": "one"},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": [{**_text("two"), "cache_control": {"type": "e"}}]},
        ]
    )

    assert turns == [{"role": "user", "content": [_text("hi")]}]
    assert system == [_text("one"), {**_text("two"), "cache_control": {"type": "e"}}]


def test_results_of_tools_are_one_turn_with_what_the_user_says_next():
    """Anthropic wants all results together, right behind the calls."""
    turns = _turns(
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "I call.", "tool_calls": [CALL, {**CALL, "id": "c2"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {
            "role": "tool",
            "tool_call_id": "c2",
            "content": [_text("rain"), _text("")],
            "is_error": True,
            "toolset_name": "browser",
        },
        {"role": "user", "content": "and?"},
    )

    assert [each["role"] for each in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] == [_text("I call."), USE, {**USE, "id": "c2"}]
    assert turns[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": "c2",
            "content": [_text("rain")],
            "is_error": True,
            "toolset_name": "browser",
        },
        _text("and?"),
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
            },
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        ),
        (
            {"type": "image_url", "image_url": "https://a", "cache_control": {"type": "e"}},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://a"},
                "cache_control": {"type": "e"},
            },
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            },
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
            },
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
            },
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.md", "file_data": "data:text/markdown;base64,w6QK"},
            },
            {
                "type": "document",
                "title": "a.md",
                "source": {"type": "text", "media_type": "text/plain", "data": "ä\n"},
            },
        ),
        (
            {
                "type": "file",
                "file": {"file_id": "f1"},
                "context": "c",
                "citations": {"enabled": True},
            },
            {
                "type": "document",
                "source": {"type": "file", "file_id": "f1"},
                "context": "c",
                "citations": {"enabled": True},
            },
        ),
        (
            {"type": "file", "file": {"file_id": "f1"}},
            {"type": "document", "source": {"type": "file", "file_id": "f1"}},
        ),
        ({"type": "refusal", "refusal": "no"}, _text("no")),
        ({"type": "document", "source": {"x": 1}}, {"type": "document", "source": {"x": 1}}),
    ],
)
def test_each_kind_of_part_has_its_block(part, block):
    """Images by their bytes or their address, files, and Anthropic's own blocks as they are."""
    assert _content(part) == [block]


def test_what_says_nothing_is_left_out():
    """Anthropic refuses empty texts and empty turns."""
    turns = _turns(
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": [_text("")]},
    )

    assert turns == [{"role": "user", "content": [_text("hi")]}]


def test_thoughts_come_back_in_front_of_their_calls():
    """Signed or encrypted, as the client got them; unsigned ones would be refused."""
    (turn,) = _turns(
        {
            "role": "assistant",
            "thinking_blocks": [{"type": "thinking", "thinking": "own", "signature": "s0"}, 5],
            "reasoning_content": "whole",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s1"},
                {"type": "reasoning.text", "signature": "s2"},
                {"type": "reasoning.text", "text": "unsigned"},
                {"type": "reasoning.encrypted", "data": "e"},
                None,
            ],
            "tool_calls": [CALL],
        }
    )

    assert turn["content"] == [
        {"type": "thinking", "thinking": "own", "signature": "s0"},
        {"type": "thinking", "thinking": "hm", "signature": "s1"},
        {"type": "thinking", "thinking": "whole", "signature": "s2"},
        {"type": "redacted_thinking", "data": "e"},
        USE,
    ]


@pytest.mark.parametrize("arguments", ["", None, "{}", {}])
def test_a_call_without_arguments_has_an_empty_input(arguments):
    """Models and clients write that in several ways."""
    call = {"id": "c", "function": {"name": "f", "arguments": arguments}}

    (turn,) = _turns({"role": "assistant", "tool_calls": [call]})

    assert turn["content"][0]["input"] == {}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("hi", "messages.1"),
        ({"role": "function", "content": "x"}, "messages.1.role"),
        ({"content": "x"}, "messages.1.role"),
        ({"role": "user", "content": 5}, "messages.1.content"),
        ({"role": "user", "content": ["x"]}, "messages.1.content.0"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "messages.1.content.0"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://a"}}]},
            "messages.1.content.0",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
            "messages.1.content.0",
        ),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages.1.content.0"),
        (
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}],
            },
            "messages.1.content.0",
        ),
        ({"role": "user", "content": [{"type": "file", "file": 5}]}, "messages.1.content.0"),
        ({"role": "tool", "content": "x"}, "messages.1.tool_call_id"),
        ({"role": "assistant", "tool_calls": [5]}, "messages.1.tool_calls.0"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]},
            "messages.1.tool_calls.0.function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"arguments": "[1]"}}]},
            "messages.1.tool_calls.0.function.arguments",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_at_its_place(message, param):
    """The caller is told where, before anything is sent or spent."""
    with pytest.raises(ProviderRejected) as refused:
        _turns({"role": "user", "content": "hi"}, message)

    assert refused.value.param == param
