"""Reading a stream of this worker: from anywhere, by many, and after its end."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from streams.engine import StreamGone, StreamLimits
from streams.events import HEARTBEAT, Event
from streams.finding import PATIENCE_S, StreamFinder
from streams.logs.replica import Replica
from streams.logs.shelf import LogShelf
from streams.reading import Reader
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import (
    Answer,
    Script,
    events_of,
    make_engine,
    text_of,
)


def test_a_reader_may_begin_anywhere():
    """What Last-Event-ID asks for."""
    engine = make_engine()
    engine.start(Answer(script=Script().say("a", "b", "c").finish()).plan()).wait(5)

    assert [e.id for e in events_of(engine, after=2)] == [3, 4, 5]


def test_a_reader_that_has_had_everything_is_sent_away():
    """Else an EventSource reconnects for ever."""
    engine = make_engine()
    engine.start(Answer(script=Script().say("a").finish()).plan()).wait(5)

    with pytest.raises(StreamGone) as gone:
        engine.join("s", after=3)

    assert gone.value.reason == "ended"


class Ticking(FakeClock):
    """At each wait something happens."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self._steps = list(steps)

    def wait(self, event, seconds):
        """Move on, and have the next thing happen."""
        if self._steps:
            self._steps.pop(0)()
        return super().wait(event, seconds)


class Copies:
    """In the place of a follower."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def follow(self, stream_id: str, *, patience_s: float) -> Replica:
        """The one copy, as far as it is fed."""
        assert (stream_id, patience_s) == ("s", PATIENCE_S)
        return self._replica


def _join(replica: Replica, clock: FakeClock) -> Reader:
    follower: Any = Copies(replica)
    shelf = LogShelf(clock=clock, ttl_s=60, max_bytes=1000)
    finder = StreamFinder(shelf, shared=None, follower=follower, clock=clock, heartbeat_s=5)
    return finder.join("s", after=1, is_expected=False)


def test_a_reader_that_has_had_the_end_elsewhere_is_sent_away():
    """Its own worker showed it the end before Redis, and this worker's copy, had it."""
    replica = Replica("s")
    last = Event(1, "done", b"{}", terminal=True)
    steps = [lambda: replica.extend([Event(0, "delta", b"")]), lambda: replica.extend([last])]

    with pytest.raises(StreamGone) as gone:
        _join(replica, Ticking(*steps))

    assert gone.value.reason == "ended"


def test_a_reader_that_is_ahead_of_a_copy_is_not_kept_for_long():
    """It reads on from where it says that it is."""
    replica, clock = Replica("s"), FakeClock()
    before_s = clock.monotonic()

    assert _join(replica, clock).position == 1

    assert PATIENCE_S <= clock.monotonic() - before_s < 2 * PATIENCE_S


def test_an_expired_log_is_gone():
    """Memory is not kept for streams that nobody will come back to."""
    clock = FakeClock()
    engine = make_engine(clock=clock, limits=StreamLimits(log_ttl_s=60))
    engine.start(Answer(script=Script().say("a").finish()).plan()).wait(5)
    clock.advance(61)

    with pytest.raises(StreamGone):
        engine.join("s")


def test_a_silent_stream_gives_heartbeats():
    """A comment goes out at least every so often, which also finds out clients that went away."""
    engine = make_engine(limits=StreamLimits(heartbeat_s=0.05))
    script = Script().say("a")
    engine.start(Answer(script=script).plan())
    reader = iter(engine.join("s", after=1))

    assert next(reader) is HEARTBEAT
    script.finish()
    assert [e for e in reader if isinstance(e, Event)][-1].name == "done"


def test_many_readers_get_the_same_from_one_call():
    """Sharing a stream costs one provider call, whichever of them pulls it."""
    engine = make_engine()
    script = Script().say("0")
    answer = Answer(script=script)
    stream = engine.start(answer.plan())
    seen: list[str] = []

    def read_own() -> None:
        seen.append(text_of([e for e in stream.events() if isinstance(e, Event)]))

    def read_found() -> None:
        seen.append(text_of(events_of(engine)))

    readers = [threading.Thread(target=read) for read in (read_own, read_found) for _ in range(4)]
    for reader in readers:
        reader.start()

    script.say(*"123456789").finish()
    for reader in readers:
        reader.join(5)

    assert seen == ["0123456789"] * 8
    assert len(answer.booked) == 1
