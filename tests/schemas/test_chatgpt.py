"""ChatGPT's export, read as our own."""

from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.chatgpt import from_chatgpt, is_chatgpt
from tests.factories.chatgpt import make_chatgpt, make_node


def contents(mapping: dict[str, Any], **fields: object) -> list[str]:
    """What is kept of a mapping."""
    messages = from_chatgpt(make_chatgpt(mapping, **fields))["messages"]
    return [each["content"] for each in messages]


def test_a_conversation_is_read_with_its_branches():
    """The answer that was open comes last: there the conversation opens again."""
    ours = from_chatgpt(make_chatgpt())

    assert (ours["title"], ours["archived"]) == ("The sea", False)
    assert ours["created_at"] == "2023-11-14T22:13:20+00:00"
    assert [(each["id"], each["parent_id"], each["model"]) for each in ours["messages"]] == [
        ("ask", None, None),
        ("two", "ask", "openai/o3"),
        ("one", "ask", "openai/gpt-4o"),
    ]


def test_what_nobody_saw_is_left_out():
    """Hidden prompts and tools' output; what hung below them hangs on."""
    mapping = {
        "a": make_node("user", "gone", "Run it."),
        "b": make_node("assistant", "a", "thinking", kind="thoughts"),
        "c": make_node("tool", "b", "42"),
        "d": make_node(
            "user", "c", "About me", metadata={"is_visually_hidden_from_conversation": True}
        ),
        "e": make_node("assistant", "d", "It is 42."),
    }

    messages = from_chatgpt(make_chatgpt(mapping))["messages"]

    assert [(each["id"], each["parent_id"]) for each in messages] == [("a", None), ("e", "a")]


def test_parts_of_all_kinds_become_text():
    """An image cannot be taken along, but that there was one can."""
    image = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    spoken = {"content_type": "audio_transcription", "text": "Hello"}
    code = {"content_type": "code", "language": "python", "text": "print(1)"}
    mapping = {
        "a": make_node("user", None, image, spoken, "What is\x00 this?", kind="multimodal_text"),
        "b": make_node("assistant", "a", content=code),
    }

    assert contents(mapping) == [
        "[image]\n\nHello\n\nWhat is this?",
        "```python\nprint(1)\n```",
    ]


def test_a_visible_system_prompt_is_kept():
    """It is the conversation's own."""
    mapping = {"s": make_node("system", None, "Be brief."), "a": make_node("user", "s", "Hi")}

    assert from_chatgpt(make_chatgpt(mapping))["system_prompt"] == "Be brief."


@pytest.mark.parametrize("time", [None, "now", True, float("nan"), 1e300, -1e300, [], {}])
def test_a_time_that_is_none_is_left_out(time):
    """Exports have lacked times for years at a stretch."""
    ours = from_chatgpt(make_chatgpt({"a": make_node("user", None, "Hi", create_time=time)}))

    assert ours["messages"][0]["created_at"] is None


@pytest.mark.parametrize(
    "mapping",
    [
        None,
        [],
        "x",
        {"a": None},
        {"a": {"parent": "b"}, "b": {"parent": "a"}, "c": make_node("user", "a", "Hi")},
        {"a": {"parent": "a"}},
    ],
)
def test_what_is_no_tree_is_refused(mapping):
    """Its fault is named, not stumbled over."""
    exported = make_chatgpt()
    exported["mapping"] = mapping

    with pytest.raises(ValidationError) as fault:
        from_chatgpt(exported)

    assert fault.value.field_name == "mapping"


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"message": 5},
        {"message": {"author": "me", "content": "x"}},
        {"message": {"author": {"role": ["user"]}, "content": {"parts": "x"}}},
        {"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": 5}}},
        {"message": {"author": {"role": "user"}, "content": {"content_type": [], "parts": []}}},
        {"parent": 7, "message": None},
    ],
)
def test_a_node_of_another_shape_is_no_message(node):
    """The format is nobody's standard: what is not understood is left out."""
    assert contents({"x": node, "a": make_node("user", "x", "Hi")}) == ["Hi"]


def test_a_long_chain_of_hidden_nodes_takes_no_longer_than_its_length():
    """Each is passed once, however many messages hang below."""
    mapping: dict[str, Any] = {str(at): {"parent": str(at - 1)} for at in range(1, 30_000)}
    mapping["0"] = {"parent": None}
    for at in range(20_000):
        mapping[f"m{at}"] = make_node("user", "29999", "Hi")

    assert len(contents(mapping)) == 20_000


def test_it_is_known_by_its_mapping():
    """Our own has none."""
    assert is_chatgpt(make_chatgpt())
    assert not is_chatgpt({"messages": []})
    assert not is_chatgpt([])
