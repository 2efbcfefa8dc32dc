"""Streams as their owners see them, also where another worker writes them."""

import socket
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Stream
from services import streams
from services.errors import Conflict, NotFound, Unavailable
from services.lost_streams import sweep_lost_streams
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.protocol import Writing
from streams.logs.redis import RedisLogs
from streams.plan import StreamHooks
from tests.doubles.redis_process import RedisProcess, patient_client
from tests.factories.chats import events_of, make_conversation, say
from tests.streams.scripts import Answer, Script, make_engine, wait_until


@pytest.fixture
def owner(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield UserId(alice.user_id)


def _elsewhere(
    owner,
    stream_id="s",
    *,
    status="running",
    age_s=0,
    conversation_id=None,
    worker="another-machine:1",
):
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
                worker=worker,
                status=status,
                input_estimate=1,
                started_at=runtime().clock.now() - timedelta(seconds=age_s),
            )
        )
        work.invalidates(STREAMS.of(owner))
    return stream_id


def _listed(owner, limit=50):
    """All pages, one after the other."""
    found, cursor = [], None
    while True:
        page = streams.list_active(owner, limit, cursor).value
        assert len(page["items"]) <= limit
        found += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


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


def test_the_list_comes_in_pages(owner):
    """A runaway program must not make it one of thousands; those of one instant are kept apart."""
    for number in range(7):
        _elsewhere(owner, str(number), age_s=number // 3)

    assert _listed(owner, limit=2) == ["2", "1", "0", "5", "4", "3", "6"]


def test_a_page_stays_right_while_streams_begin(owner):
    """The next one goes on where the last has ended."""
    for number in range(4):
        _elsewhere(owner, str(number), age_s=number + 1)
    first = streams.list_active(owner, 2).value
    _elsewhere(owner, "newer")

    second = streams.list_active(owner, 2, first["next_cursor"]).value

    assert [each["id"] for each in second["items"]] == ["2", "3"]


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


@pytest.mark.server
@pytest.mark.parametrize("cache_fields", ["redis"], indirect=True)
def test_a_running_stream_that_redis_has_lost_does_not_look_ended(owner):
    """Redis came back empty, and its worker has not heard of that yet."""
    _elsewhere(owner)

    with pytest.raises(Unavailable) as refused:
        streams.join_stream(owner, "s", after=3)

    assert refused.value.code == "stream_elsewhere"


@pytest.mark.server
@pytest.mark.parametrize("cache_fields", ["redis"], indirect=True)
def test_a_stream_that_died_before_redis_heard_of_it_ends_with_its_first_reader(owner):
    """He need not wait for the sweep to be told that nothing more comes."""
    _elsewhere(owner, worker=f"{socket.gethostname()}:999999999")

    assert streams.join_stream(owner, "s", after=-1) is None
    assert streams.get_stream(owner, "s").value["status"] == "ended"


def test_a_stream_that_ended_elsewhere_has_nothing_more_to_say(owner):
    """Its message has all of it."""
    _elsewhere(owner, status="ended")

    assert streams.join_stream(owner, "s", after=-1) is None


def test_a_stop_reaches_another_worker_by_a_mark(owner):
    """That worker looks for it, whatever Redis does; until then the stream is still running."""
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


@pytest.fixture
def own_redis():
    """A server that the test may harm."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture
def half_written(app, own_redis):
    """A stream of which Redis has the first event only, and no sign of life; its engine here."""
    client = patient_client(own_redis.port)
    here = make_engine(redis=lambda: client)
    app.extensions["larder"] = replace(runtime(), streams=here)
    shared = RedisLogs(lambda: client, limits=StreamLimits(), prefix="larder")
    shared.write("w", [Writing("s", [Event(0, "start", b"{}")])])
    yield "s"
    here.shutdown(0)
    client.close()


def _ended(stream_id, seconds_ago):
    with unit_of_work() as work:
        row = work.session.get_one(Stream, stream_id)
        row.status = "ended"
        row.ended_at = runtime().clock.now() - timedelta(seconds=seconds_ago)
        work.invalidates(STREAMS.of(UserId(row.user_id)))


@pytest.mark.server
@pytest.mark.parametrize(("ended_s", "is_read"), [(1, True), (60, False)])
def test_a_stream_whose_end_never_came_is_over_after_a_while(owner, half_written, ended_s, is_read):
    """Its worker could not write it, for Redis was full. The message has all of it."""
    _ended(_elsewhere(owner, half_written), ended_s)

    reader = streams.join_stream(owner, half_written, after=-1)

    assert (reader is not None) is is_read


@pytest.mark.server
def test_whoever_comes_long_after_the_sweep_is_told_of_the_loss(owner, half_written):
    """It says so once, and no further call says that nothing is left."""
    _elsewhere(owner, half_written, age_s=120)
    assert sweep_lost_streams() == 1
    _ended(half_written, 60)

    reader = streams.join_stream(owner, half_written, after=-1)

    assert reader is not None
    assert [each.name for batch in reader.batches() for each in batch] == ["start", "error"]
    assert streams.join_stream(owner, half_written, after=1) is None


class _Meanwhile:
    """A clock on which something happens while one sleeps."""

    def __init__(self, clock, happens):
        self._clock = clock
        self.sleep = lambda _seconds: happens()

    def __getattr__(self, name):
        return getattr(self._clock, name)


def _is_running(stream_id):
    with read_session() as session:
        return session.get_one(Stream, stream_id).status == "running"


@pytest.mark.server
def test_a_stream_whose_sign_of_life_comes_back_is_not_swept(app, owner, half_written, own_redis):
    """A Redis that was started anew knows no stream until its worker has renewed its sign."""
    _elsewhere(owner, half_written, age_s=120)
    client = patient_client(own_redis.port)
    shared = RedisLogs(lambda: client, limits=StreamLimits(), prefix="larder")
    renew = partial(shared.write, "w", [Writing(half_written, [], refresh=True)])
    app.extensions["larder"] = replace(runtime(), clock=_Meanwhile(runtime().clock, renew))

    assert sweep_lost_streams() == 0
    assert _is_running(half_written)
    assert not shared.write("w", [Writing(half_written, [], refresh=True)]).replies[0].lost
    client.close()


@pytest.mark.server
def test_the_sweep_ends_no_other_machines_stream_while_redis_is_full(
    owner, half_written, own_redis
):
    """It takes no signs of life; what its provider counts would give way to an estimate."""
    _elsewhere(owner, half_written, age_s=120)
    own_redis.tell("CONFIG", "SET", "maxmemory", "1")

    assert sweep_lost_streams() == 0
    assert _is_running(half_written)

    own_redis.tell("CONFIG", "SET", "maxmemory", "0")
    assert sweep_lost_streams() == 1


@pytest.mark.server
def test_a_stop_outlives_the_redis_that_was_to_pass_it_on(app, owner, own_redis):
    """It was acknowledged. Redis dies with it, before the other worker has heard of it."""
    has_died = threading.Event()

    def stops_requested(stream_ids):
        with app.app_context():
            return streams.stops_requested(stream_ids) if has_died.is_set() else ()

    clients = [patient_client(own_redis.port) for _ in range(2)]
    once = iter(clients[1:])  # it tells of its stream, and hears no more
    here = make_engine(redis=lambda: clients[0])
    there = make_engine(
        redis=lambda: next(once, None), hooks=StreamHooks(stops_requested=stops_requested)
    )
    app.extensions["larder"] = replace(runtime(), streams=here)
    stream = there.start(Answer(_elsewhere(owner), script=Script().say("so far")).plan())
    wait_until(lambda: here.is_alive("s") is True)

    streams.stop_stream(owner, "s")
    (waiting,) = own_redis.tell("KEYS", "*:stops")
    told = own_redis.tell("LRANGE", waiting, 0, -1)
    own_redis.kill()
    has_died.set()

    assert told == [b"s"]
    assert stream.wait(10).finish_reason == "cancelled"
    for each in (here, there):
        each.shutdown(0)
    for client in clients:
        client.close()


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
