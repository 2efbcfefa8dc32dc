"""Streams across workers: resumed, shared, stopped and, when a worker dies, ended."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.engine import StreamEngine, StreamGone, StreamHooks, StreamLimits
from streams.events import Event
from streams.sse import encode_stream
from tests.doubles.redis_process import RedisProcess, strict_client
from tests.streams.scripts import (
    Answer,
    Script,
    events_of,
    make_engine,
    names,
    text_of,
    wait_until,
)

ROOT = Path(__file__).parents[2]
LIMITS = StreamLimits(heartbeat_s=1.2, mirror_interval_s=0.01, follow_interval_s=0.01)
MARGIN_S = 5.0
"""For a machine that has other things to do."""


def body_of(engine: StreamEngine, stream_id: str, after: int = -1) -> bytes:
    """The response's body, comments left out."""
    return body_from(engine.join(stream_id, after=after, is_expected=True).batches())


def body_from(batches: Iterable[Sequence[Event]]) -> bytes:
    """What the edge writes for these batches, comments left out."""
    return b"".join(encode_stream(batch for batch in batches if batch))


def client_source(client: Any) -> Callable[[], Any]:
    """Hands out one worker's connection."""
    return lambda: client


@pytest.fixture
def workers(new_client):
    """The engines of two workers with one Redis."""
    clients = [new_client(), new_client()]
    engines = [make_engine(redis=client_source(client), limits=LIMITS) for client in clients]
    yield engines
    for engine in engines:
        engine.shutdown(0)


@pytest.fixture
def own_redis() -> Iterator[RedisProcess]:
    """A server that the test may harm."""
    process = RedisProcess().start()
    yield process
    process.kill()


def run_course(*arguments: str) -> "subprocess.Popen[str]":
    """A process of its own for what needs one."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.streams.course", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.text(max_size=5), min_size=1, max_size=30),
    hops=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 8)), max_size=8),
)
def test_a_stream_resumed_here_and_there_equals_the_whole(workers, texts, hops):
    """S2: cut anywhere while it runs, from any worker, byte for byte."""
    stream_id = str(time.monotonic_ns())
    script = Script().say(*texts[: len(texts) // 2], "x")
    workers[0].start(Answer(stream_id, script=script).plan())
    rest = threading.Timer(0.02, lambda: script.say(*texts[len(texts) // 2 :]).finish())
    rest.start()

    got: list[Event] = []
    for worker, count in hops:
        after = got[-1].id if got else -1
        got += read_some(workers[worker], stream_id, after, count)
    body = b"".join(encode_stream([got] if got else []))
    if not (got and got[-1].terminal):
        body += body_of(workers[1], stream_id, got[-1].id if got else -1)

    rest.join(5)
    assert body == body_of(workers[0], stream_id) == body_of(workers[1], stream_id)


def read_some(engine: StreamEngine, stream_id: str, after: int, count: int) -> list[Event]:
    """The next few events, after which the connection is cut."""
    got: list[Event] = []
    with suppress(StreamGone):
        for item in engine.join(stream_id, after=after, is_expected=True):
            if isinstance(item, Event):
                got.append(item)
                if len(got) == count:
                    break
    return got


def test_a_stop_reaches_the_other_worker_in_time(workers):
    """S4: within a quarter of a second, and the partial answer is kept and booked."""
    answer = Answer(script=Script().say("so far"))
    stream = workers[0].start(answer.plan())
    wait_until(lambda: workers[1].is_alive("s") is True)
    begun = time.monotonic()

    is_here = workers[1].stop("s")
    stream.wait(5)

    assert not is_here
    assert time.monotonic() - begun < 0.25
    assert [o.finish_reason for o in answer.booked] == ["cancelled"]
    assert names(events_of(workers[1])) == ["start", "delta", "usage", "done"]


def test_a_stream_is_alive_while_it_runs(workers):
    """What a sweep over the database's running streams asks."""
    script = Script().say("a")
    stream = workers[0].start(Answer(script=script).plan())
    wait_until(lambda: workers[1].is_alive("s") is True)
    assert workers[0].is_alive("s")

    script.finish()
    stream.wait(5)

    wait_until(lambda: workers[1].is_alive("s") is False)


def test_what_was_logged_can_be_had_from_any_worker(workers):
    """From it the partial answer of a dead worker is kept."""
    workers[0].start(Answer(script=Script().say("a", "b")).plan())
    wait_until(lambda: len(workers[1].logged("s")) == 3)

    assert text_of(workers[1].logged("s")) == text_of(workers[0].logged("s")) == "ab"
    assert workers[1].logged("unknown") == ()


def test_an_ended_stream_is_resumed_from_the_other_worker(workers):
    """Until its log expires; a reader that has had all is sent away."""
    workers[0].start(Answer(script=Script().say("a", "b").finish()).plan()).wait(5)
    wait_until(lambda: workers[1].is_alive("s") is False)

    assert [e.id for e in events_of(workers[1], after=1)] == [2, 3, 4]
    with pytest.raises(StreamGone) as gone:
        workers[1].join("s", after=4)
    assert gone.value.reason == "ended"


def test_a_stream_taken_for_dead_ends_for_its_own_readers_too(workers, new_client):
    """One truth: whoever declared it lost has booked it and told its readers."""
    answer = Answer(script=Script().say("a"))
    stream = workers[0].start(answer.plan())
    wait_until(lambda: workers[1].is_alive("s") is True)

    new_client().sadd("larder:stream:{s}:lost", "declared")

    assert stream.wait(5).error is not None
    assert names(events_of(workers[0]))[-1] == "error"
    assert [getattr(o.error, "code", None) for o in answer.booked] == ["producer_lost"]


def test_a_worker_that_alone_lost_sight_of_redis_is_not_taken_for_dead(new_client):
    """Its readers elsewhere wait, and get all of it."""
    clients, asked = [new_client()], list[str]()
    here = make_engine(redis=lambda: clients[0] if clients else None, limits=LIMITS)
    client = new_client()
    there = make_engine(redis=lambda: client, limits=LIMITS)

    def lives(stream_id: str) -> bool:
        asked.append(stream_id)
        return True

    there.bind(StreamHooks(lives=lives))
    script, bodies = Script().say("a"), list[bytes]()
    here.start(Answer(script=script).plan())
    wait_until(lambda: there.is_alive("s") is True)
    reader = threading.Thread(target=lambda: bodies.append(body_of(there, "s")))
    reader.start()

    sight = clients.pop()
    wait_until(lambda: asked == ["s"])
    clients.append(sight)
    script.say("b").finish()
    reader.join(10)

    assert bodies == [body_of(here, "s")]
    assert b"event: done" in bodies[0]
    for engine in (here, there):
        engine.shutdown(0)


@pytest.mark.server
def test_a_killed_worker_leaves_every_reader_one_error(own_redis):
    """S5: SIGKILL of the producing worker, within the heartbeat's limit, partial text readable."""
    process = run_course("produce", str(own_redis.port), "s")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    lost: list[str] = []
    client = strict_client(own_redis.port)
    engine = make_engine(
        redis=lambda: client, limits=LIMITS, hooks=StreamHooks(on_lost=lost.append)
    )
    bodies: list[list[Event]] = []
    readers = [threading.Thread(target=lambda: bodies.append(events_of(engine))) for _ in range(3)]
    for reader in readers:
        reader.start()
    wait_until(lambda: (engine.is_alive("s") or False) and len(events_so_far(engine)) > 20)

    process.kill()
    killed_at = time.monotonic()
    for reader in readers:
        reader.join(10)
    took_s = time.monotonic() - killed_at
    process.communicate()

    assert took_s < LIMITS.heartbeat_s + MARGIN_S
    assert lost == ["s"]
    assert bodies[0] == bodies[1] == bodies[2]
    assert names(bodies[0]).count("error") == 1
    assert bodies[0][-1].name == "error"
    assert text_of(bodies[0]) == "".join(f"{n + 1} " for n in range(len(bodies[0]) - 2))
    assert_the_end_is_remembered(engine, bodies[0][-1].id)


def events_so_far(engine: StreamEngine) -> list[Event]:
    """What a reader gets at once."""
    return list(next(iter(engine.join("s", is_expected=True).batches())))


def assert_the_end_is_remembered(engine: StreamEngine, end: int) -> None:
    """Who comes again after the error is sent away; who was ahead of the log gets one error."""
    with pytest.raises(StreamGone):
        engine.join("s", after=end)
    (ahead,) = events_of(engine, after=end + 10)
    assert (ahead.id, ahead.name, ahead.terminal) == (end + 11, "error", True)
    with pytest.raises(StreamGone):
        engine.join("s", after=end + 11)


@pytest.mark.server
def test_redis_killed_in_mid_stream_costs_no_stream(own_redis):
    """The worker's own readers notice nothing; others go on when Redis, emptied, is back."""
    clients = [strict_client(own_redis.port) for _ in range(2)]
    here, there = (make_engine(redis=client_source(client), limits=LIMITS) for client in clients)
    script = Script().say("a")
    stream = here.start(Answer(script=script).plan())
    bodies: list[bytes] = []
    wait_until(lambda: there.is_alive("s") is True)
    batches = there.join("s").batches()
    reader = threading.Thread(target=lambda: bodies.append(body_from(batches)))
    reader.start()

    own_redis.kill()
    script.say("b", "c")
    own_redis.start()
    script.say("d").finish()
    stream.wait(5)
    reader.join(10)

    assert bodies == [body_of(here, "s")]
    assert bodies[0].count(b"event: delta") == 4


@pytest.mark.server
def test_a_frozen_redis_holds_up_no_stream(own_redis):
    """A Redis that answers nothing is the worst kind; nobody waits for it."""
    client = strict_client(own_redis.port)
    engine = make_engine(redis=lambda: client, limits=LIMITS)
    script = Script().say("a")
    stream = engine.start(Answer(script=script).plan())
    wait_until(lambda: engine.is_alive("s") is True)
    own_redis.signal(signal.SIGSTOP)

    for number in range(200):
        script.say(str(number))
    script.finish()
    outcome = stream.wait(30)  # while Redis still stands
    own_redis.signal(signal.SIGCONT)

    assert outcome.error is None
    assert engine.counters.snapshot()["done"] == 1


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "gevent"])
def test_many_streams_on_two_workers(redis_process, kind):
    """Readers on both, stops across, no thread left: on threads, and on gevent's greenlets."""
    process = run_course(kind, str(redis_process.port))

    output, _ = process.communicate(timeout=60)

    assert output.endswith("ok\n"), output
    assert process.returncode == 0
