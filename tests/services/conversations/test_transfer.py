"""Exports and imports: what goes out comes in again."""

from dataclasses import replace
from typing import Any

import pytest

from cache.scopes import UserId
from schemas.conversations import ConversationQuery
from schemas.messages import MessageEdit
from schemas.search import SearchQuery
from schemas.transfer import ImportSchema
from services.conversations import messages, threads, transfer
from services.conversations.search import search_conversations
from services.errors import Invalid, NotFound
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.factories.chatgpt import make_chatgpt
from tests.factories.conversations import make_conversation

LARGEST = 2_000_000


@pytest.fixture
def settings(settings):
    """Of the suite, with conversations of some length and small files."""
    return replace(settings, max_conversation_bytes=LARGEST, max_file_bytes=1024)


@pytest.fixture
def owner(app, alice):
    """Alice, within the application."""
    with app.app_context():
        yield UserId(alice.user_id)


def make_talk(owner: UserId) -> str:
    """A conversation with a question, an answer with all it can have, and an edit; its id."""
    thread = make_conversation(
        owner,
        "Talk",
        ["Why?"],
        model_id="demo/echo",
        system_prompt="Be brief.\nAlways.",
        is_pinned=True,
    )
    question = messages.branch(owner, thread, None).value["items"][-1]["id"]
    with unit_of_work() as work:
        row = messages.add_answer(
            work, owner, thread, parent_id=question, model_id="demo/echo", stream_id="s1"
        )
        written = {
            "content": "Because **so**.",
            "reasoning": "Hm.",
            "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}],
            "status": "complete",
            "finish_reason": "stop",
            "input_tokens": 3,
            "output_tokens": 2,
            "cached_tokens": 1,
            "is_estimated": False,
        }
        messages.finish_answer(work, row.id, written)
    messages.edit_message(owner, thread, question, MessageEdit("How?"))
    return thread


def import_(owner: UserId, given: Any) -> list[dict[str, Any]]:
    """Import what a client sends; the conversations made."""
    items: list[dict[str, Any]] = transfer.import_conversations(owner, ImportSchema().load(given))[
        "items"
    ]
    return items


def without_ids(exported: dict[str, Any]) -> dict[str, Any]:
    """An export with each id as the place of its message."""
    places: dict[str | None, int | None] = {None: None}
    for place, each in enumerate(exported["messages"]):
        places[each["id"]] = place
    said = [
        {**each, "id": places[each["id"]], "parent_id": places[each["parent_id"]]}
        for each in exported["messages"]
    ]
    return {**exported, "messages": said}


def test_an_export_comes_back_as_it_was(owner):
    """Nothing is lost on the way out and in, but for ids."""
    first = transfer.export_conversation(owner, make_talk(owner))

    (made,) = import_(owner, first)
    second = transfer.export_conversation(owner, made["id"])

    assert without_ids(second) == without_ids(first)
    assert len(first["messages"]) == 3
    assert {each["id"] for each in first["messages"]}.isdisjoint(
        each["id"] for each in second["messages"]
    )


def test_an_import_is_seen_by_every_read(owner):
    """The list, the branch and the search, on caches that were warm."""
    threads.list_conversations(owner, ConversationQuery())
    search_conversations(owner, SearchQuery(q="blue"))

    (made,) = import_(owner, make_chatgpt())

    assert threads.list_conversations(owner, ConversationQuery()).value["items"] == [made]
    branch = messages.branch(owner, made["id"], None).value["items"]
    assert [each["content"] for each in branch] == ["Why is the sea blue?", "Because."]
    found = search_conversations(owner, SearchQuery(q="blue")).value["items"]
    assert [each["conversation_id"] for each in found] == [made["id"]]


def test_others_files_are_left_out(owner, app, bob):
    """An id that one has read somewhere opens nothing."""
    said = {"id": "a", "role": "user", "content": "x", "file_ids": ["somebody-elses"]}

    (made,) = import_(owner, {"messages": [said]})

    (row,) = messages.branch(owner, made["id"], None).value["items"]
    assert row["file_ids"] is None


def test_times_to_come_become_now(owner):
    """A conversation of the year 9999 would stay on top of the list for good."""
    (made,) = import_(owner, {"messages": [], "active_at": "9999-12-31T23:59:59Z"})

    assert made["active_at"] == "2026-01-01T12:00:00Z"


def test_an_answer_that_was_being_written_is_cancelled(owner):
    """No stream will ever finish it."""
    said = {"id": "a", "role": "assistant", "content": "Half", "status": "streaming"}

    (made,) = import_(owner, {"messages": [said]})

    assert messages.branch(owner, made["id"], None).value["items"][0]["status"] == "cancelled"


def test_a_deep_tree_can_be_taken_in_and_out(owner):
    """Depth is no recursion anywhere."""
    said = [
        {"id": str(at), "parent_id": str(at - 1) if at else None, "role": "user", "content": "x"}
        for at in range(3000)
    ]

    (made,) = import_(owner, {"messages": said})

    exported = transfer.export_conversation(owner, made["id"])
    assert len(exported["messages"]) == 3000
    assert transfer.export_markdown(owner, made["id"]).count("## You") == 3000


def test_markdown_is_the_open_branch(owner):
    """For people, who read one thing after the other."""
    thread = make_talk(owner)
    answered = messages.branch(owner, thread, None).value["items"][-1]["id"]

    text = transfer.export_markdown(owner, thread)

    assert answered
    assert text == ("# Talk\n\n> Be brief.\n> Always.\n\n## You, 2026-01-01T12:00:00Z\n\nHow?\n")


def test_nobody_elses_conversation_is_exported(owner, bob):
    """In neither form."""
    thread = make_conversation(UserId(bob.user_id), "Bob's", [])

    with pytest.raises(NotFound):
        transfer.export_conversation(owner, thread)
    with pytest.raises(NotFound):
        transfer.export_markdown(owner, thread)


def test_a_conversation_of_too_much_text_is_refused_by_its_place(owner):
    """No import makes what could not have been said."""
    given = [
        {"messages": [{"id": "a", "role": "user", "content": "x"}]},
        {"messages": [{"id": "a", "role": "assistant", "content": "é" * (LARGEST + 1)}]},
    ]

    with pytest.raises(Invalid) as refused:
        import_(owner, given)

    assert list(refused.value.errors) == ["conversations.1.messages"]
    assert threads.list_conversations(owner, ConversationQuery()).value["items"] == []


def test_answers_of_any_length_come_in_again(owner):
    """A model may say more than a person may ask."""
    said = {
        "id": "a",
        "role": "assistant",
        "content": "x" * 1_100_000,
        "reasoning": "y" * 1_100_000,
    }

    (thread,) = import_(owner, {"messages": [said]})

    (message,) = transfer.export_conversation(owner, thread["id"])["messages"]
    assert (message["content"], message["reasoning"]) == (said["content"], said["reasoning"])


def test_a_long_import_lets_others_come_between(owner, monkeypatch):
    """Its worker has streams to write."""
    pauses: list[float] = []
    monkeypatch.setattr(runtime().clock, "sleep", pauses.append)
    said = [{"id": str(each), "role": "user", "content": "x"} for each in range(1000)]

    import_(owner, {"messages": said})

    assert len(pauses) >= 20
    assert set(pauses) == {0}


def test_what_may_be_said_may_be_imported(app):
    """An export is larger than its text, whatever a file may have."""
    with app.app_context():
        assert transfer.max_import_bytes() == 2 * LARGEST


@pytest.mark.parametrize(("title", "shown"), [("a\nb\x1b[1m", "a b [1m"), ("a  b", "a  b")])
def test_an_imported_title_is_one_line_as_all_are(owner, title, shown):
    """It stands in lists, and may be given back as it is."""
    (thread,) = import_(owner, {"title": title, "messages": []})

    assert thread["title"] == shown
