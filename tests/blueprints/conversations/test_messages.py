"""`/api/conversations/{id}/messages` as clients meet it."""

from dataclasses import replace

import pytest

from tests.factories.chats import say
from tests.factories.conversations import make_conversation

LONGEST = 1000


@pytest.fixture
def settings(settings):
    """Of the suite, with short messages."""
    return replace(settings, max_message_chars=LONGEST)


@pytest.fixture
def path(app, alice):
    """A conversation of Alice's: a question, and what follows it."""
    with app.app_context():
        thread = make_conversation(alice.user_id, "Talk", ["one", "two", "three"])
    return f"/api/conversations/{thread}/messages"


def test_an_edit_is_a_sibling_that_the_next_read_has(alice, path):
    """Nothing said is overwritten: the branch of before is still there."""
    alice.get(path)
    before = alice.get(path)
    one, two, three = before.json["items"]

    edited = alice.patch(f"{path}/{two['id']}", json={"content": "TWO"})
    after = alice.get(path)

    assert before.headers["Cache-Status"].startswith("larder; hit")
    assert edited.status_code == 201
    assert edited.json["parent_id"] == one["id"]
    assert after.json["items"] == [one, two, three, edited.json]
    assert "fwd=miss" in after.headers["Cache-Status"]


def test_a_branch_is_read_by_its_leaf(alice, path):
    """From the root to the leaf, whatever its siblings are."""
    one, two, three = alice.get(path).json["items"]
    edited = alice.patch(f"{path}/{two['id']}", json={"content": "TWO"}).json

    branches = [
        [each["content"] for each in alice.get(f"{path}?leaf_id={leaf}").json["items"]]
        for leaf in (three["id"], edited["id"], one["id"])
    ]

    assert branches == [["one", "two", "three"], ["one", "TWO"], ["one"]]


def test_a_page_of_a_branch_is_refused_by_name(alice, path):
    """There is none: the branch would have come whole."""
    leaf = alice.get(path).json["items"][-1]["id"]

    answer = alice.get(f"{path}?leaf_id={leaf}&limit=1&cursor=None")

    assert answer.status_code == 422
    assert set(answer.json["errors"]) == {"limit", "cursor"}


def test_a_message_has_the_fields_that_clients_are_promised(alice, path):
    """Its shape is the contract."""
    message = alice.get(path).json["items"][0]

    assert set(message) == {
        *("id", "conversation_id", "parent_id", "role", "content", "reasoning", "tool_calls"),
        *("file_ids", "model", "status", "finish_reason", "error_code", "stream_id", "usage"),
        *("created_at", "updated_at"),
    }
    assert (message["role"], message["status"], message["usage"]) == ("user", "complete", None)


def test_a_leaf_of_another_conversation_is_not_there(app, alice, path):
    """A branch is of one conversation."""
    with app.app_context():
        other = make_conversation(alice.user_id, "Other", ["x"])
    leaf = alice.get(f"/api/conversations/{other}/messages").json["items"][0]["id"]

    assert alice.get(f"{path}?leaf_id={leaf}").status_code == 404
    assert alice.patch(f"{path}/{leaf}", json={"content": "y"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": None}, "content"),
        ({"content": "x" * (LONGEST + 1)}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "x", "role": "assistant"}, "role"),
    ],
)
def test_a_wrong_edit_is_named(alice, path, body, field):
    """Whoever made it can mend it."""
    message = alice.get(path).json["items"][0]["id"]

    answer = alice.patch(f"{path}/{message}", json=body)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_a_message_is_as_long_as_the_setting_says(alice, path):
    """Asked or edited, and to the character."""
    thread = path.split("/")[3]
    fits, longer = "é" * LONGEST, "é" * (LONGEST + 1)

    answers = [say(alice, thread, each, model="demo/echo") for each in (fits, longer)]

    assert [each.status_code for each in answers] == [200, 422]
    assert str(LONGEST) in answers[1].json["errors"]["content"][0]


def test_ten_megabytes_are_refused_before_they_are_read(alice, path):
    """A body that large is nobody's message."""
    message = alice.get(path).json["items"][0]["id"]

    answer = alice.patch(f"{path}/{message}", json={"content": "x" * 10_000_000})

    assert answer.status_code == 413
