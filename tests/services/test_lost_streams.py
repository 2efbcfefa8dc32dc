"""A worker's death: the partial answer kept, the call booked once, marked as estimated."""

import os
import socket
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Message, Stream
from database.tables.costs import LedgerRecord
from providers.protocol import Chunk, Usage
from services.conversations import messages
from services.costs import unbooked
from services.costs.ledger import PricedCall
from services.lost_streams import book_again, end_lost_stream, lives, sweep_lost_streams
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from services.worker_processes import name_of_worker
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from tests.factories.costs import make_call

STREAM = "0193577b-0000-7000-8000-000000000001"
HERE = socket.gethostname()


@pytest.fixture
def conversation_id(alice):
    """A conversation of Alice's."""
    made = alice.post("/api/conversations", json={"title": "Trips", "model": "demo/echo"})
    return made.json["id"]


def add_stream(alice, stream_id, *, worker, age_s):
    """Another stream that the database takes to be running, of no conversation."""
    with unit_of_work() as work:
        work.session.add(
            Stream(
                id=stream_id, user_id=alice.user_id, key_id="key", model_id="demo/echo",
                endpoint="chat.completions", worker=worker, status="running", input_estimate=7,
                started_at=runtime().clock.now() - timedelta(seconds=age_s),
            )
        )  # fmt: skip
        work.invalidates(STREAMS.of(UserId(alice.user_id)))


def make_stream(alice, conversation_id, *, worker=f"{HERE}:1", age_s=120, copy_of=None):
    """A stream that the database takes to be running, with its empty answer."""
    now = runtime().clock.now() - timedelta(seconds=age_s)
    with unit_of_work() as work:
        answer = messages.add_answer(
            work,
            UserId(alice.user_id),
            conversation_id,
            parent_id=None,  # type: ignore[arg-type]
            model_id="demo/echo",
            stream_id=STREAM,
        )
        work.session.add(
            Stream(
                id=STREAM,
                user_id=alice.user_id,
                key_id="key",
                conversation_id=conversation_id,
                message_id=answer.id,
                model_id="demo/echo",
                alias_id="smart",
                endpoint="messages",
                worker=worker,
                status="running",
                input_estimate=7,
                copy_of=copy_of,
                started_at=now,
            )
        )
        work.invalidates(STREAMS.of(UserId(alice.user_id)))


def log_events(*drafts):
    """What the stream's log has, though nobody booked it."""

    class Chunks:
        def __iter__(self):
            yield Chunk(text="x")

        def __next__(self):
            raise StopIteration

        def close(self):
            """Nothing to close."""

    def finish(_: Outcome):
        return [Draft("error", b"{}")]

    plan = StreamPlan(
        stream_id=STREAM,
        opening=lambda: [Draft("start", b"{}")],
        pull=Chunks,
        encode=lambda _: list(drafts),
        finish=finish,
    )
    runtime().streams.start(plan).wait(5)


def booked():
    """The ledger's rows of the stream."""
    with read_session() as session:
        return session.scalars(select(LedgerRecord).where(LedgerRecord.call_id == STREAM)).all()


def kept():
    """The answer."""
    with read_session() as session:
        return session.scalars(select(Message).where(Message.stream_id == STREAM)).one()


def status():
    """How the stream stands in the database."""
    with read_session() as session:
        return session.scalars(select(Stream.status).where(Stream.id == STREAM)).one()


def test_what_had_come_is_kept_and_booked_as_estimated(context, alice, conversation_id):
    """S5: nothing that was produced, and paid for, is lost with the worker."""
    make_stream(alice, conversation_id)
    log_events(Draft("delta", b'{"text":"Hello, "}'), Draft("delta", b'{"text":"wor"}'))

    assert end_lost_stream(STREAM)

    answer, (record,) = kept(), booked()
    assert (answer.content, answer.status, answer.error_code) == (
        "Hello, wor", "error", "producer_lost",
    )  # fmt: skip
    assert (record.input_tokens, record.output_tokens) == (7, 3)
    assert (record.is_estimated, record.status, record.alias_id) == (True, "broken", "smart")
    assert status() == "ended"


def test_a_completion_is_read_from_its_chunks(context, alice, conversation_id):
    """`/v1` logs a provider's own chunks, odd ones among them."""
    make_stream(alice, conversation_id)
    log_events(
        Draft("chunk", b'{"choices":[{"delta":{"content":"Hello"}}]}'),
        Draft("chunk", b'{"choices":[],"usage":{}}'),
        Draft("chunk", b'{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}'),
        Draft("chunk", b'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":'
                       b'{"name":"f","arguments":"{}"}}]}}]}'),
    )  # fmt: skip

    end_lost_stream(STREAM)

    answer = kept()
    assert (answer.content, answer.reasoning) == ("Hello", "hm")
    assert answer.tool_calls[0]["function"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("chunk", "content", "reasoning"),
    [
        (b'{"choices":[{"delta":{"content":[{"type":"text","text":"part"}]}}]}', "part", None),
        (b'{"choices":[{"delta":{"reasoning":"hm"}}]}', "", "hm"),
        (b'{"choices":[{"delta":{"tool_calls":[null]}}]}', "", None),
        (b'{"choices":[{"delta":{"content":"\\ud83d"}},{"index":1}]}', "", None),
        (b'{"choices":[{"index":1,"delta":{"content":"another"}}]}', "", None),
        (b'{"error":{"message":"overloaded"}}', "", None),
        (b"not JSON", "", None),
    ],
)
def test_an_odd_chunk_is_read_as_far_as_it_goes(
    context, alice, conversation_id, chunk, content, reasoning
):
    """Providers send what they like, and `/v1` logs it as it came."""
    make_stream(alice, conversation_id)
    log_events(Draft("chunk", chunk), Draft("chunk", b'{"choices":[{"delta":{"content":"!"}}]}'))

    end_lost_stream(STREAM)

    answer = kept()
    assert answer.content.endswith("!")
    assert (answer.content.strip("!\ufffd"), answer.reasoning) == (content, reasoning)


def test_what_the_provider_counted_is_booked(context, alice, conversation_id):
    """Its last chunk may be there although its worker died before it could book."""
    make_stream(alice, conversation_id)
    counted = b'{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":5}}'
    log_events(Draft("chunk", counted))

    end_lost_stream(STREAM)

    (record,) = booked()
    assert (record.input_tokens, record.output_tokens, record.is_estimated) == (11, 5, True)


def test_it_does_not_matter_how_many_find_it(context, alice, conversation_id):
    """Each reader's worker does, and the sweep: it is booked once."""
    make_stream(alice, conversation_id)
    log_events(Draft("delta", b'{"text":"a"}'))

    assert [end_lost_stream(STREAM) for _ in range(3)] == [True, False, False]
    assert len(booked()) == 1


def test_a_stream_of_which_nothing_is_left_ends_too(context, alice, conversation_id):
    """Without its log it is known only that it was asked, and with how long a prompt."""
    make_stream(alice, conversation_id)

    end_lost_stream(STREAM)

    (record,) = booked()
    assert (record.is_estimated, record.status) == (True, "error")
    assert (record.input_tokens, record.output_tokens) == (7, 0)
    assert kept().status == "error"


def test_a_copy_of_another_answer_owes_nothing(context, alice, conversation_id):
    """No provider was asked for it, so its worker's death costs nobody anything."""
    make_stream(alice, conversation_id, copy_of="another")
    log_events(Draft("delta", b'{"text":"Hello"}'))

    assert end_lost_stream(STREAM)

    answer = kept()
    assert (answer.content, answer.status, answer.cost_usd) == ("Hello", "error", None)
    assert booked() == []


def test_an_unknown_stream_is_nothing_to_end(context):
    """Its user may have been deleted."""
    assert not end_lost_stream(STREAM)


WORKERS = [
    pytest.param(f"{HERE}:999999999", 120, 1, id="a process that is gone"),
    pytest.param(f"{HERE}:{os.getppid()}", 120, 0, id="a process that lives"),
    pytest.param(f"{HERE}:999999999", 5, 0, id="one that has only just begun"),
    pytest.param(f"{HERE}:999999999", 20, 1, id="a young one of a process that is gone"),
    pytest.param(name_of_worker(), 20, 0, id="a young one of this process"),
    pytest.param(name_of_worker(), 120, 1, id="this process's, which does not run it"),
]


@pytest.mark.parametrize(("worker", "age_s", "swept"), WORKERS)
def test_the_sweep_finds_what_no_reader_does(context, alice, conversation_id, worker, age_s, swept):
    """A stream that nobody reads must not stay `running`, and unbooked, for ever."""
    make_stream(alice, conversation_id, worker=worker, age_s=age_s)

    assert sweep_lost_streams() == swept
    assert len(booked()) == swept


@pytest.fixture
def counted(context, alice, conversation_id, monkeypatch):
    """A call of this process that its provider counted, and whose booking failed just now."""
    monkeypatch.setattr(unbooked, "_calls", {})
    make_stream(alice, conversation_id, worker=name_of_worker(), age_s=1)
    usage = Usage(1000, 50, reasoning_tokens=40)
    call = make_call(alice.user_id, runtime().clock.now(), call_id=STREAM, usage=usage)
    unbooked.remember(PricedCall(call, None))


def test_what_this_process_could_not_book_is_soon_booked_as_it_was_counted(counted):
    """Before another machine takes it for lost, which could only estimate it."""
    assert book_again() == 1
    (row,) = booked()
    assert (row.input_tokens, row.reasoning_tokens, row.is_estimated) == (1000, 40, False)
    assert (kept().status, kept().input_tokens) == ("error", 1000)
    assert unbooked.call_ids() == []


def test_what_is_being_booked_just_now_is_left_to_that(counted, monkeypatch):
    """It ends well, and not as lost."""
    monkeypatch.setattr(runtime().streams, "running", lambda: [STREAM])

    assert book_again() == 0
    assert status() == "running"


def test_what_others_have_booked_meanwhile_is_let_go(counted):
    """Else it would be asked for again and again."""
    with unit_of_work() as work:
        stream = work.session.get_one(Stream, STREAM)
        stream.status = "ended"
        work.invalidates(STREAMS.of(UserId(stream.user_id)))

    assert book_again() == 0
    assert (booked(), unbooked.call_ids()) == ([], [])


FAULTS = [
    pytest.param(OperationalError("select", {}, Exception("gone")), [STREAM], id="database away"),
    pytest.param(ValueError("its log is broken"), [], id="its own fault"),
]


@pytest.mark.parametrize(("fault", "left"), FAULTS)
def test_what_cannot_be_booked_now_is_booked_once_the_database_is_back(
    counted, monkeypatch, fault, left
):
    """What stands in the way of one call alone is left to the sweep."""

    def fail(stream_id):
        raise fault

    monkeypatch.setattr(runtime().streams, "logged", fail)

    assert book_again() == 0
    assert unbooked.call_ids() == left


HERE_AND_ALIVE = f"{HERE}:{os.getppid()}"
LIVES = [
    pytest.param(HERE_AND_ALIVE, None, True, id="a process that lives"),
    pytest.param(HERE_AND_ALIVE, 1, True, id="whose end is on its way"),
    pytest.param(HERE_AND_ALIVE, 60, False, id="whose end should be there by now"),
    pytest.param(f"{HERE}:999999999", None, False, id="a process that is gone"),
    pytest.param(name_of_worker(), None, False, id="this process's, which does not run it"),
    pytest.param("elsewhere:1", None, False, id="another machine's"),
]


@pytest.mark.parametrize(("worker", "ended_s", "is_living"), LIVES)
def test_a_worker_that_lost_sight_of_redis_lives(
    context, alice, conversation_id, worker, ended_s, is_living
):
    """Its stream must not end with an error for some readers, and well for others."""
    make_stream(alice, conversation_id, worker=worker)
    if ended_s is not None:
        with unit_of_work() as work:
            stream = work.session.get_one(Stream, STREAM)
            stream.status = "ended"
            stream.ended_at = runtime().clock.now() - timedelta(seconds=ended_s)
            work.invalidates(STREAMS.of(UserId(alice.user_id)))

    assert lives(STREAM) is is_living


def test_nobody_lives_who_is_not_known(context):
    """Its user may have been deleted."""
    assert not lives(STREAM)


def test_a_stream_that_cannot_be_ended_keeps_no_other(context, alice, conversation_id, monkeypatch):
    """Each that stays counts against its key's limit, and its cost stays unknown."""
    worker = f"{HERE}:999999999"
    make_stream(alice, conversation_id, worker=worker)
    add_stream(alice, "worse", worker=worker, age_s=500)
    log_of = runtime().streams.logged

    def fail_for_one(stream_id):
        if stream_id == "worse":
            raise ValueError("its log is broken")
        return log_of(stream_id)

    monkeypatch.setattr(runtime().streams, "logged", fail_for_one)

    assert sweep_lost_streams() == 1
    assert status() == "ended"


@pytest.mark.parametrize(
    ("cache_fields", "swept"),
    [
        pytest.param("memory", 0, id="nobody can see it"),
        pytest.param("redis", 1, id="Redis has no sign of life of it", marks=pytest.mark.server),
    ],
    indirect=["cache_fields"],
)
def test_another_machines_stream_is_judged_by_redis_alone(context, alice, conversation_id, swept):
    """A process of another machine cannot be asked whether it lives."""
    make_stream(alice, conversation_id, worker="elsewhere:999999999", age_s=120)

    assert sweep_lost_streams() == swept
