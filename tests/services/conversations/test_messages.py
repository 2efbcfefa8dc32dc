"""The tree of messages: branches, edits, answers that are being written."""

from dataclasses import replace
from typing import Any

import pytest

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.tables.conversations import Message
from schemas.messages import MAX_MESSAGES, MessageEdit, MessageQuery
from services.conversations import messages, threads
from services.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.unit_of_work import unit_of_work
from tests.factories.conversations import make_conversation, make_message

LARGEST = 2000


@pytest.fixture
def settings(settings):
    """Of the suite, with short conversations."""
    return replace(settings, max_conversation_bytes=LARGEST)


@pytest.fixture
def owner(app, alice):
    """Alice, within the application."""
    with app.app_context():
        yield UserId(alice.user_id)


def ask(owner: UserId, thread: str, parent_id: str | None = None, content: str = "Why?") -> str:
    """A question, stored; its id."""
    with unit_of_work() as work:
        return messages.add_question(work, owner, thread, parent_id=parent_id, content=content).id


def answer(owner: UserId, thread: str, parent_id: str) -> str:
    """An answer that is about to be written; its id."""
    with unit_of_work() as work:
        row = messages.add_answer(
            work, owner, thread, parent_id=parent_id, model_id="demo/echo", stream_id="s1"
        )
        return row.id


def finish(message_id: str, **written: Any) -> None:
    """Have an answer be written."""
    with unit_of_work() as work:
        messages.finish_answer(work, message_id, {"status": "complete", **written})


def store(owner: UserId, rows: list[Message]) -> None:
    """Store rows, each in the order of the list."""
    with unit_of_work() as work:
        for row in rows:
            work.session.add(row)
        work.session.flush()
        work.invalidates(CONVERSATIONS.of(owner))


def branch(owner: UserId, thread: str, leaf_id: str | None = None) -> list[str]:
    """The ids from the root to a leaf."""
    return [each["id"] for each in messages.branch(owner, thread, leaf_id).value["items"]]


def test_the_default_branch_ends_in_the_latest_leaf(owner):
    """A conversation opens where it was left."""
    thread = make_conversation(owner, "Talk", [])
    first = ask(owner, thread)
    reply = answer(owner, thread, first)
    again = answer(owner, thread, first)

    assert branch(owner, thread) == [first, again]
    assert branch(owner, thread, reply) == [first, reply]
    assert branch(owner, make_conversation(owner, "Empty", [])) == []


def test_a_clock_that_lags_does_not_hide_the_latest_leaf(owner):
    """Ids made on two machines need not be in the order of the tree."""
    thread = make_conversation(owner, "Talk", [])
    question = make_message(owner, thread, "Why?", id="3-question")
    reply = make_message(owner, thread, "Because.", id="2-slow-clock", parent_id="3-question")

    store(owner, [question, reply])

    assert branch(owner, thread) == ["3-question", "2-slow-clock"]


def test_an_answer_is_seen_while_it_is_written_and_when_it_is_done(owner):
    """Every write is seen by the next read, on a cache that was warm."""
    thread = make_conversation(owner, "Talk", [])
    reply = answer(owner, thread, ask(owner, thread))

    before = messages.get_message(owner, thread, reply).value
    finish(reply, content="Because.", input_tokens=3, output_tokens=2, cached_tokens=0)
    after = messages.get_message(owner, thread, reply).value

    assert (before["status"], before["content"], before["usage"]) == ("streaming", "", None)
    assert (after["status"], after["content"]) == ("complete", "Because.")
    assert after["usage"]["output_tokens"] == 2


def test_nothing_can_follow_an_answer_that_is_being_written(owner):
    """Its text is not known yet: the prompt would be wrong."""
    thread = make_conversation(owner, "Talk", [])
    reply = answer(owner, thread, ask(owner, thread))

    with pytest.raises(Conflict):
        ask(owner, thread, reply)
    with pytest.raises(Conflict):
        messages.edit_message(owner, thread, reply, MessageEdit("Mine"))


def test_a_parent_must_be_of_the_same_conversation(owner):
    """A tree must not grow into another."""
    thread, other = make_conversation(owner, "One", []), make_conversation(owner, "Two", [])
    elsewhere = ask(owner, other)

    with pytest.raises(Invalid) as fault:
        ask(owner, thread, elsewhere)

    assert list(fault.value.errors) == ["parent_id"]


def test_an_answer_deleted_meanwhile_stays_deleted(owner):
    """Its stream ends all the same."""
    thread = make_conversation(owner, "Talk", [])
    reply = answer(owner, thread, ask(owner, thread))
    threads.delete_conversation(owner, thread)

    finish(reply, content="Too late.")

    with pytest.raises(NotFound):
        messages.get_message(owner, thread, reply)


def test_an_edit_of_another_version_is_refused(owner):
    """`If-Match` holds for messages too."""
    thread = make_conversation(owner, "Talk", ["Why?"])
    (message_id,) = branch(owner, thread)

    with pytest.raises(PreconditionFailed):
        messages.edit_message(owner, thread, message_id, MessageEdit("How?"), if_match='"other"')


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Why is  the\nsky blue?", "Why is the sky blue?"),
        ("word " * 40, "word " * 15 + "word…"),
        ("x" * 100, "x" * 80 + "…"),
        ("\x1b[31mWhy?\x07", "[31mWhy?"),
    ],
)
def test_an_untitled_conversation_takes_its_title_from_the_first_question(owner, said, title):
    """A list of untitled conversations helps nobody."""
    thread = make_conversation(owner, "", [])

    first = ask(owner, thread, content=said)
    ask(owner, thread, first, content="And then?")

    assert threads.get_conversation(owner, thread).value["title"] == title


def test_a_conversation_that_has_messages_moves_to_the_front(owner, clock):
    """The list is by the last activity: questions, answers and edits alike."""
    thread = make_conversation(owner, "Talk", [])
    moments = []
    for act in (
        lambda: ask(owner, thread),
        lambda: answer(owner, thread, branch(owner, thread)[0]),
        lambda: messages.edit_message(owner, thread, branch(owner, thread)[0], MessageEdit("How?")),
    ):
        clock.advance(60)
        act()
        moments.append(threads.get_conversation(owner, thread).value["active_at"])

    assert moments == ["2026-01-01T12:01:00Z", "2026-01-01T12:02:00Z", "2026-01-01T12:03:00Z"]


def test_a_full_conversation_takes_no_more(owner):
    """Everything that a client can grow has a limit."""
    thread = make_conversation(owner, "Talk", [])
    store(owner, [make_message(owner, thread, "") for _ in range(MAX_MESSAGES)])

    with pytest.raises(Conflict) as fault:
        ask(owner, thread)

    assert fault.value.code == "conversation_full"


@pytest.mark.parametrize("columns", [{"content": "漢" * 600}, {"reasoning": "x" * 1800}])
def test_a_conversation_has_so_much_text_and_no_more(owner, columns):
    """Each of its messages may be long: together they must fit into a worker's memory."""
    thread = make_conversation(owner, "Talk", [])
    given = {"content": "", **columns}
    long = make_message(owner, thread, given.pop("content"), **given)
    store(owner, [long])

    last = ask(owner, thread, content="x" * 200)
    refused = []
    for write in (
        lambda: ask(owner, thread, content="x"),
        lambda: messages.edit_message(owner, thread, last, MessageEdit("x")),
    ):
        with pytest.raises(Conflict) as fault:
            write()
        refused.append(fault.value.code)

    assert refused == ["conversation_full"] * 2
    assert str(LARGEST) in fault.value.detail
    assert answer(owner, thread, last), "what was asked is answered"


def test_parameters_count_as_well(owner):
    """They are kept, so they take room."""
    thread = make_conversation(owner, "Talk", [])

    params = {"stop": ["x" * LARGEST]}
    with unit_of_work() as work, pytest.raises(Conflict) as fault:
        messages.add_question(work, owner, thread, parent_id=None, content="x", params=params)

    assert fault.value.code == "conversation_full"


def test_pages_of_the_tree_have_each_message_once(owner):
    """Whatever is said while the pages are read."""
    thread = make_conversation(owner, "Talk", ["1", "2", "3"])
    first = messages.list_messages(owner, thread, MessageQuery(limit=2)).value
    ask(owner, thread, content="4")

    query = MessageQuery(limit=2, cursor=first["next_cursor"])
    second = messages.list_messages(owner, thread, query).value

    assert [each["content"] for each in first["items"] + second["items"]] == ["1", "2", "3", "4"]
    assert second["next_cursor"] is None
