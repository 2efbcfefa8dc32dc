"""The shapes of exports and imports."""

from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.messages import MAX_MESSAGES
from schemas.transfer import ImportSchema
from tests.factories.chatgpt import make_chatgpt


def make_said(message_id: str, parent_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A message of an import."""
    return {"id": message_id, "parent_id": parent_id, "role": "user", "content": "x", **fields}


def load(*messages: dict[str, Any]) -> list[str]:
    """The ids of one conversation's messages as they would be stored."""
    loaded = ImportSchema().load({"messages": list(messages)})
    return [each.id for each in loaded.conversations[0].messages]


def faults(fault: ValidationError) -> dict[str, Any]:
    """What is wrong with the first conversation."""
    messages: Any = fault.messages
    wrong: dict[str, Any] = messages["conversations"][0]
    return wrong


@pytest.mark.parametrize(
    "given",
    [
        {"conversations": [{"messages": []}]},
        [{"messages": []}],
        {"messages": []},
        {"format": "larder.conversation", "version": 1, "messages": []},
        make_chatgpt(),
        [make_chatgpt()],
        {"conversations": [make_chatgpt()]},
    ],
)
def test_one_or_many_ours_or_chatgpts(given):
    """A file is sent as it was saved."""
    assert len(ImportSchema().load(given).conversations) == 1


def test_parents_come_first_and_all_else_stays_in_order():
    """Rows refer to rows that are there; the last message stays the last."""
    assert load(make_said("c", "b"), make_said("a"), make_said("b", "a"), make_said("d")) == [
        "a",
        "b",
        "c",
        "d",
    ]


@pytest.mark.parametrize(
    "messages",
    [
        [make_said("a"), make_said("a")],
        [make_said("a", "b")],
        [make_said("a", "b"), make_said("b", "a")],
        [make_said("a", "a")],
    ],
    ids=["an id twice", "no parent", "a circle", "its own parent"],
)
def test_what_is_no_tree_is_refused(messages):
    """And named by its place."""
    with pytest.raises(ValidationError) as fault:
        load(*messages)

    assert list(faults(fault.value)) == ["messages"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"role": "tool"}, "role"),
        ({"content": None}, "content"),
        ({"content": "a\x00"}, "content"),
        ({"status": "done"}, "status"),
        ({"usage": {"input_tokens": 1}}, "usage"),
        ({"tool_calls": [[]]}, "tool_calls"),
        ({"tool_calls": [{}] * 129}, "tool_calls"),
        ({"file_ids": ["x"] * 21}, "file_ids"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"user_id": "somebody"}, "user_id"),
    ],
)
def test_a_wrong_message_is_refused(fields, field):
    """Nothing gets in by an import that could not be said."""
    with pytest.raises(ValidationError) as fault:
        load(make_said("a", **fields))

    assert list(faults(fault.value)["messages"][0]) == [field]


@pytest.mark.parametrize(
    "given",
    [
        {},
        [],
        5,
        "x",
        None,
        [5],
        {"conversations": 5},
        {"conversations": [{"messages": []}] * 1001},
        {"conversations": [{"messages": []}], "more": 1},
        {"format": "other", "messages": []},
        {"version": 2, "messages": []},
    ],
)
def test_what_is_no_import_is_refused(given):
    """A file of another kind is named as such."""
    with pytest.raises(ValidationError):
        ImportSchema().load(given)


def test_an_import_has_as_many_messages_as_one_transaction_should_write():
    """Split over conversations or not."""
    half = [make_said(str(at)) for at in range(MAX_MESSAGES // 2 + 1)]

    with pytest.raises(ValidationError) as fault:
        ImportSchema().load([{"messages": half}, {"messages": half}])

    assert list(fault.value.messages) == ["conversations"]


def test_more_messages_than_that_are_not_looked_at():
    """Millions of them, each with its faults, would hold a worker up for minutes."""
    half: list[object] = [{}] * (MAX_MESSAGES // 2 + 1)

    with pytest.raises(ValidationError) as fault:
        ImportSchema().load([{"messages": half}, {"messages": half}])

    sentence = f"There can be {MAX_MESSAGES} messages at most in one import."
    assert fault.value.messages == {"conversations": [sentence]}
