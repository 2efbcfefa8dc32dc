"""Who pulls a stream: whoever reads it, as long as they keep up."""

import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from providers.protocol import SILENCE, Chunk
from streams.driving import MOST_MISSED, DriverSeat
from streams.engine import StreamLimits
from streams.events import HEARTBEAT, Event
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import (
    Answer,
    Script,
    events_of,
    make_engine,
    names,
    text_of,
    wait_until,
)

LIMITS = StreamLimits()


class Pulled(Script):
    """A provider that notes on which threads it was asked for more."""

    def __init__(self, *, minds_close: bool = True) -> None:
        super().__init__(minds_close=minds_close)
        self.threads: list[threading.Thread] = []

    def __next__(self):
        self.threads.append(threading.current_thread())
        return super().__next__()


def test_a_seat_is_not_for_readers_before_it_is_offered():
    """Until the stream has begun its caller produces it."""
    seat = DriverSeat()

    assert not seat.take()
    assert not seat.claim(is_urgent=True)
    seat.offer()
    assert seat.take()


def test_one_sits_there_at_a_time():
    """Chunks are pulled by one."""
    seat = DriverSeat()
    seat.offer()

    assert seat.take()
    assert not seat.take()
    seat.leave()
    assert seat.take()


def test_a_seat_in_use_is_not_claimed():
    """Whoever sits there sees what is to be done."""
    seat = DriverSeat()
    seat.offer()
    seat.take()

    assert not any(seat.claim(is_urgent=True) for _ in range(3 * MOST_MISSED))


def test_a_seat_that_nobody_took_between_two_looks_is_claimed_once():
    """Two threads of the stream's own would be one too many."""
    seat = DriverSeat()
    seat.offer()

    assert [seat.claim(is_urgent=False) for _ in range(3)] == [False, True, False]
    assert not seat.take()


def test_a_reader_who_comes_back_in_time_keeps_the_seat():
    """Writing to a client takes its moment."""
    seat = DriverSeat()
    seat.offer()
    for _ in range(3):
        assert not seat.claim(is_urgent=False)
        assert seat.take()
        assert not seat.claim(is_urgent=False)
        seat.leave()


def test_a_reader_who_is_away_at_most_looks_is_too_slow():
    """However regularly he comes: others would read at his client's pace."""
    seat = DriverSeat()
    seat.offer()
    looks = 0
    while True:
        assert seat.take()
        seat.leave()
        looks += 1
        if seat.claim(is_urgent=False):
            break

    assert looks == MOST_MISSED + 1


def test_an_empty_seat_is_claimed_at_once_when_it_is_urgent():
    """A stop does not wait for a slow client."""
    seat = DriverSeat()
    seat.offer()

    assert seat.claim(is_urgent=True)


def test_a_reader_pulls_what_it_reads():
    """No second thread, with which it would have to take turns."""
    script = Pulled()
    script.say("a", "b", "c").finish()
    here = threading.current_thread()

    events = list(make_engine().start(Answer(script=script).plan()).events())

    assert names([e for e in events if isinstance(e, Event)])[-1] == "done"
    assert set(script.threads) == {here}


def test_whoever_waits_for_an_answer_produces_it_meanwhile():
    """As one who does not want it streamed."""
    script = Pulled()
    script.say("a", "b").finish()

    outcome = make_engine().start(Answer(script=script).plan()).wait()

    assert outcome.text == "ab"
    assert set(script.threads) == {threading.current_thread()}


def test_a_stream_that_readers_may_not_pull_has_a_thread_of_its_own():
    """Its reader, who only listens, hears that it is stopped though the next chunk never comes."""
    script = Pulled(minds_close=False)
    script.say("a")
    engine = make_engine()
    plan = replace(Answer(script=script).plan(), is_pulled_by_readers=False)
    reader = iter(engine.start(plan).events())
    begun = [next(reader), next(reader)]

    engine.stop("s")

    events = [each for each in (*begun, *reader) if isinstance(each, Event)]
    assert names(events) == ["start", "delta", "usage", "done"]
    assert threading.current_thread() not in script.threads
    script.finish()


def test_a_stream_that_its_reader_leaves_goes_on():
    """And whoever comes back reads along."""
    engine = make_engine()
    script = Pulled()
    script.say("a")
    reader = engine.start(Answer(script=script).plan()).events().batches()
    next(reader)

    script.say("b").finish()

    assert text_of(events_of(engine)) == "ab"
    assert script.threads[-1] is not threading.current_thread()
    assert [names(batch) for batch in reader] == [["delta", "usage", "done"]]


@pytest.mark.parametrize("quiet", [SILENCE, Chunk()])
def test_a_reader_that_pulls_gives_signs_of_life(quiet):
    """When its provider is silent, or only pings; it goes on pulling."""
    script = Pulled()
    script.say("a").give(quiet).say("b").finish()
    engine = make_engine(limits=StreamLimits(heartbeat_s=0))

    read = list(engine.start(Answer(script=script).plan()).events())

    assert [e.name if isinstance(e, Event) else e for e in read if e is not HEARTBEAT] == [
        *("start", "delta", "delta", "usage", "done")
    ]
    assert read[2] is HEARTBEAT
    assert set(script.threads) == {threading.current_thread()}


@pytest.mark.parametrize("quiet", [SILENCE, Chunk()])
def test_signs_of_life_are_given_when_they_are_due(quiet):
    """However often a provider pings, and whatever it counts that the client did not ask for."""
    script = Script().say("a").give(quiet, quiet).say("b").finish()

    read = list(make_engine().start(Answer(script=script).plan()).events())

    assert HEARTBEAT not in read


class Slow(Script):
    """A provider that is silent for a look's time at a time, by the engine's clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def __next__(self):
        chunk = super().__next__()
        self._clock.advance(LIMITS.silence_s if chunk is SILENCE else LIMITS.silence_s / 8)
        return chunk


@pytest.mark.parametrize("first", [1, 2, 3])
def test_signs_of_life_are_never_late(first):
    """Whenever in a silence something came that its reader does not hear of."""
    clock = FakeClock()
    script = Slow(clock).say("a").give(*[SILENCE] * first, Chunk(), *[SILENCE] * 9).say("b")
    engine = make_engine(clock=clock, limits=LIMITS)
    reader = engine.start(Answer(script=script.finish()).plan()).events()

    heard = [clock.monotonic() for _ in reader]

    pauses = [later - earlier for earlier, later in pairwise(heard)]
    assert 0 < max(pauses) <= LIMITS.heartbeat_s
    assert len(set(heard)) < 10  # and no more often than that takes


def test_a_stop_ends_a_stream_whose_reader_is_stuck():
    """Within the quarter of a second that all stops have."""
    engine = make_engine(limits=StreamLimits(heartbeat_s=30))
    answer = Answer(script=Script().say("so far"))
    reader = iter(engine.start(answer.plan()).events())
    next(reader)  # and now its client takes nothing more

    engine.stop("s")

    wait_until(lambda: bool(answer.booked))
    assert answer.booked[0].finish_reason == "cancelled"


def test_a_stream_that_no_thread_can_go_on_with_is_ended(monkeypatch):
    """Booked, with one error."""
    engine = make_engine()
    answer = Answer(script=Script().say("a"))
    refused = threading.Event()
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "larder-stream":
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    engine.start(answer.plan())

    assert names(events_of(engine))[-1] == "error"
    assert refused.is_set()
    assert len(answer.booked) == 1
