"""Streams as their owners see them, also where another worker writes them."""

from datetime import timedelta

import pytest

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Stream
from services import streams
from services.errors import Conflict, NotFound, Unavailable
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.factories.chats import events_of, make_conversation, say
from tests.streams.scripts import wait_until


@pytest.fixture
def owner(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield UserId(alice.user_id)


def _elsewhere(owner, stream_id="s", *, status="running", age_s=0, conversation_id=None):
    """A stream that another worker writes, or wrote."""
    with unit_of_work() as work:
        work.session.add(
            Stream(
                id=stream_id,
                user_id=owner,
                key_id="key",
                conversation_id=conversation_id,
                model_id="demo/echo",
                endpoint="messages",
                worker="another-machine:1",
                status=status,
                input_estimate=1,
                started_at=runtime().clock.now() - timedelta(seconds=age_s),
            )
        )
        work.invalidates(STREAMS.of(owner))
    return stream_id


def _listed(owner):
    return [each["id"] for each in streams.list_active(owner).value["items"]]


def _is_stop_requested(stream_id):
    with read_session() as session:
        return session.get_one(Stream, stream_id).is_stop_requested


def test_running_streams_are_listed_newest_first(owner, bob):
    """Those of the owner, and none that has ended."""
    _elsewhere(owner, "old", age_s=60)
    _elsewhere(owner, "new", age_s=1)
    _elsewhere(owner, "over", status="ended")
    _elsewhere(UserId(bob.user_id), "theirs")

    assert _listed(owner) == ["new", "old"]


def test_the_list_has_an_end(owner):
    """A runaway program must not make it one of thousands."""
    for number in range(streams.MAX_LISTED + 5):
        _elsewhere(owner, str(number), age_s=number)

    assert len(_listed(owner)) == streams.MAX_LISTED
    assert _listed(owner)[0] == "0"


def test_a_stream_that_begins_or_ends_is_in_the_next_list(owner, alice):
    """On a list that was warm."""
    assert _listed(owner) == []
    _elsewhere(owner)
    assert _listed(owner) == ["s"]

    say(alice, make_conversation(alice), "hello")

    assert _listed(owner) == ["s"]


@pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
def test_a_stream_of_another_worker_cannot_be_followed_without_redis(owner):
    """It is said where to look instead; it must not look ended."""
    _elsewhere(owner)

    with pytest.raises(Unavailable) as refused:
        streams.join_stream(owner, "s", after=-1)

    assert refused.value.code == "stream_elsewhere"


def test_a_stream_that_ended_elsewhere_has_nothing_more_to_say(owner):
    """Its message has all of it."""
    _elsewhere(owner, status="ended")

    assert streams.join_stream(owner, "s", after=-1) is None


def test_a_stop_reaches_another_worker_by_a_mark(owner):
    """That worker looks for it; until then the stream is still running."""
    _elsewhere(owner, "s")
    _elsewhere(owner, "t")

    streams.stop_stream(owner, "s")

    assert _is_stop_requested("s")
    assert not _is_stop_requested("t")
    assert list(streams.stops_requested(["s", "t", "u"])) == ["s"]
    assert list(streams.stops_requested([])) == []
    streams.stop_stream(owner, "s")  # once more is no error: it has not ended yet


def test_a_stop_of_ones_own_worker_leaves_no_mark(owner, alice, provided):
    """It is stopped at once, and ended when that is heard."""
    chat = make_conversation(alice, model="up/stall")
    answer = alice.post(f"/api/conversations/{chat}/messages", json={"content": "hello"})
    stream_id = answer.headers["X-Larder-Stream-Id"]

    streams.stop_stream(owner, stream_id)

    assert b'"finish_reason":"cancelled"' in answer.get_data()
    assert not _is_stop_requested(stream_id)
    with pytest.raises(Conflict) as refused:
        streams.stop_stream(owner, stream_id)
    assert refused.value.code == "stream_ended"


def test_somebody_elses_stream_is_not_there(owner, bob):
    """For none of the three, and nothing is changed by trying."""
    _elsewhere(UserId(bob.user_id), "theirs")

    with pytest.raises(NotFound):
        streams.get_stream(owner, "theirs")
    with pytest.raises(NotFound):
        streams.join_stream(owner, "theirs", after=-1)
    with pytest.raises(NotFound):
        streams.stop_stream(owner, "theirs")

    assert not _is_stop_requested("theirs")


def test_a_finished_stream_is_read_again_and_once_over_is_over(owner, alice):
    """From any event; after the last there is nothing."""
    first = say(alice, make_conversation(alice), "hello")
    stream_id = first.headers["X-Larder-Stream-Id"]

    reader = streams.join_stream(owner, stream_id, after=3)

    assert reader is not None
    ids = [event.id for batch in reader.batches() for event in batch]
    assert ids == list(range(4, ids[-1] + 1))
    assert streams.join_stream(owner, stream_id, after=ids[-1]) is None


def test_a_stream_says_what_it_is(owner, alice):
    """Where it belongs, and when it began and ended."""
    chat = make_conversation(alice)
    stream_id = say(alice, chat, "hello").headers["X-Larder-Stream-Id"]

    found = streams.get_stream(owner, stream_id).value

    assert (found["id"], found["conversation_id"], found["model"]) == (stream_id, chat, "demo/echo")
    assert (found["status"], found["ended_at"]) == ("ended", found["started_at"])


@pytest.mark.parametrize("deletes_folder", [False, True])
def test_deleting_a_conversation_stops_what_it_asked(alice, owner, provided, deletes_folder):
    """Nobody could stop it any more; it is booked, and counts as under way until it has ended."""
    folder = alice.post("/api/folders", json={"name": "work"}).json["id"]
    chat = make_conversation(alice, model="up/stall", folder_id=folder)
    running = alice.post(f"/api/conversations/{chat}/messages", json={"content": "hello"})
    path = (
        f"/api/folders/{folder}?contents=delete" if deletes_folder else f"/api/conversations/{chat}"
    )
    stream_id = running.headers["X-Larder-Stream-Id"]

    assert alice.delete(path).status_code == 204

    assert events_of(running.get_data())[-1][1]["finish_reason"] == "cancelled"
    wait_until(lambda: streams.get_stream(owner, stream_id).value["status"] == "ended")
    (record,) = alice.get("/api/costs/records").json["items"]
    assert record["status"] == "cancelled"


def test_what_another_worker_answers_in_it_is_stopped_as_well(alice, owner):
    """By the mark that its worker looks for, on a row that stays."""
    chat = make_conversation(alice)
    _elsewhere(owner, "s", conversation_id=chat)
    _elsewhere(owner, "over", conversation_id=chat, status="ended")

    alice.delete(f"/api/conversations/{chat}")

    assert _is_stop_requested("s")
    assert _listed(owner) == ["s"]
