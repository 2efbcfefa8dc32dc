"""The end of a stream: exactly one, booked exactly once, whatever happens."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.protocol import Chunk, ProviderBroken, ProviderError, ProviderUnavailable
from streams.engine import StreamGone, StreamLimits
from streams.events import Draft
from streams.limits import TimeLimits
from streams.logs.memory import MemoryLog
from streams.outcome import Outcome
from streams.producer import CANCELLED, Interruption, Production
from telemetry.clock import SYSTEM_CLOCK, Clock
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import (
    Answer,
    Script,
    code_of,
    events_of,
    make_engine,
    names,
    text_of,
)

FAULTS: dict[str, BaseException] = {
    "provider": ProviderBroken("cut"),
    "bug": RuntimeError("a secret detail"),
    "killed": SystemExit(),
}


def make_production(answer: Answer, clock: Clock = SYSTEM_CLOCK) -> Production:
    """A production that no engine runs."""
    return Production(
        answer.plan(),
        MemoryLog("s"),
        clock=clock,
        limits=StreamLimits(stream_bytes=10**6),
        in_context=lambda work: work(),
        on_end=lambda _: None,
    )


def raise_it(error: BaseException) -> NoReturn:
    """In the place of an expression."""
    raise error


@dataclass(frozen=True)
class Course:
    """One way that a stream may go."""

    chunks: int
    pull_fault: str | None
    chunk_fault: str | None
    encode_fault: bool
    finish: str
    stops: int
    minds_close: bool

    def script(self) -> Script:
        """The provider's part in it."""
        script = Script(minds_close=self.minds_close).say(*["x"] * self.chunks)
        return script.fail(FAULTS[self.chunk_fault]) if self.chunk_fault else script.finish()

    def answer(self) -> Answer:
        """The whole of it."""
        script = self.script()
        answer = Answer(script=script)
        answer.closing = self.closing
        if self.pull_fault:
            answer.pull = lambda: raise_it(FAULTS[self.pull_fault or ""])
        if self.encode_fault:
            answer.encode = lambda _: raise_it(ValueError("cannot encode"))
        return answer

    def closing(self, outcome: Outcome) -> Sequence[Draft]:
        """What the booking does."""
        if self.finish == "raises":
            raise RuntimeError("the database is away")
        if self.finish == "says nothing":
            return []
        return [Draft("usage", b"{}"), Draft("error" if outcome.error else "done", b"{}")]


faults = st.sampled_from([None, None, None, "provider", "bug", "killed"])
courses = st.builds(
    Course,
    chunks=st.integers(0, 5),
    pull_fault=faults,
    chunk_fault=faults,
    encode_fault=st.booleans(),
    finish=st.sampled_from(["books", "books", "raises", "says nothing"]),
    stops=st.integers(0, 2),
    minds_close=st.sampled_from([True, True, True, False]),
)


@settings(max_examples=80, deadline=None)
@given(course=courses)
def test_there_is_one_end_and_one_booking_whatever_happens(course):
    """S7, under every combination of faults and with stops that race the end."""
    engine = make_engine(limits=StreamLimits(takeover_s=0.01))
    answer = course.answer()
    stops = [threading.Thread(target=engine.stop, args=("s",)) for _ in range(course.stops)]
    for stop in stops:
        stop.start()

    with suppress(ProviderError):
        engine.start(answer.plan()).wait(5)
    for stop in stops:
        stop.join(5)
    events = events_of(engine)

    assert [e.terminal for e in events] == [False] * (len(events) - 1) + [True]
    assert [e.id for e in events] == list(range(len(events)))
    assert len(answer.booked) == 1
    assert answer.booked[0].text == text_of(events)
    assert engine.running() == []


def test_a_chunk_after_the_end_is_not_logged():
    """A provider's thread that comes back late finds the stream over."""
    script = Script(minds_close=False).say("a")
    answer = Answer(script=script)
    production = make_production(answer)
    thread = threading.Thread(target=production.run)
    thread.start()
    production.has_begun.wait(5)

    production.end(ProviderBroken("gone"))
    script.say("late")
    thread.join(5)

    assert names(production.log.after(-1)) == ["start", "delta", "error"]
    assert script.closed.is_set()
    assert len(answer.booked) == 1


def test_a_chunk_that_is_not_logged_is_not_encoded():
    """An encoder that thinks it was sent writes closing words that follow from nothing."""
    encoded: list[str] = []
    stopped = threading.Event()

    class Chunks:
        """The second comes when the stream is being stopped."""

        def __iter__(self) -> Iterator[Chunk]:
            yield Chunk(text="a")
            production.interrupt(CANCELLED)
            stopped.set()
            yield Chunk(text="b")

        def __next__(self) -> NoReturn:
            raise StopIteration

        def close(self) -> None:
            """Nothing to close."""

    def encode(chunk: Chunk) -> Sequence[Draft]:
        encoded.append(chunk.text)
        return [Draft("delta", chunk.text.encode())]

    production = make_production(Answer(pull=Chunks, encode=encode))

    production.run()

    assert stopped.is_set()
    assert encoded == ["a"]
    assert names(production.log.after(-1)) == ["start", "delta", "usage", "done"]


def test_an_interruption_after_the_end_says_so():
    """The one who asks is told that there was nothing to stop."""
    production = make_production(Answer(script=Script().say("a").finish()))
    production.run()

    assert not production.interrupt(CANCELLED)


def test_the_first_interruption_counts():
    """A stop during a shutdown stays a stop."""
    answer = Answer(script=Script().say("a"))
    production = make_production(answer)
    production.interrupt(CANCELLED)

    assert production.interrupt(Interruption(ProviderBroken("later")))
    production.run()

    assert answer.booked[0].finish_reason == "cancelled"


def test_internal_faults_are_told_without_detail():
    """What a bug says may hold secrets; the log file has it."""
    answer = Answer(script=Script().say("a").fail(RuntimeError("a secret detail")))
    production = make_production(answer)

    production.run()

    assert code_of(answer.booked[0]) == "internal_error"
    assert b"secret" not in production.log.after(-1)[-1].data


def test_a_booking_that_fails_ends_with_an_error():
    """A `done` for an answer that is not kept would be a lie."""

    def closing(_: Outcome) -> NoReturn:
        raise RuntimeError("the database is away")

    production = make_production(Answer(script=Script().say("a").finish(), closing=closing))

    production.run()

    end = production.log.after(-1)[-1]
    assert (end.name, end.terminal) == ("error", True)
    assert b'"internal_error"' in end.data
    assert b'"retryable":true' in end.data
    assert production.outcome is not None
    assert code_of(production.outcome) == "internal_error"


@pytest.mark.parametrize("fault", [OSError("No space left on device"), SystemExit()])
def test_an_end_that_fails_itself_is_an_end(fault):
    """Readers wait for one; nobody else would make it."""
    production = make_production(Answer(script=Script().finish()))
    production.plan = replace(production.plan, opening=lambda: raise_it(fault))
    production.interrupt(CANCELLED)

    with pytest.raises(type(fault)):
        production.run()

    assert names(production.log.after(-1)) == ["error"]
    assert production.log.is_closed
    assert production.has_ended.is_set()
    assert code_of(production.outcome or Outcome()) == "internal_error"


def test_an_answer_without_chunks_still_begins_and_ends():
    """An empty answer is an answer."""
    script = Script()
    answer = Answer(script=script)
    production = make_production(answer)
    script.finish()

    production.run()

    assert names(production.log.after(-1)) == ["start", "usage", "done"]


def test_the_first_token_is_the_first_content():
    """Providers open with a chunk that holds a role and nothing else."""
    answer = Answer(script=Script().give(Chunk(), Chunk(text="a")).finish())

    make_production(answer).run()

    outcome = answer.booked[0]
    assert outcome.first_token_s is not None
    assert 0 <= outcome.first_token_s <= outcome.duration_s


def test_a_failed_call_has_no_first_token():
    """Time to first token is measured over answers that had one."""
    answer = Answer(script=Script().fail(ProviderUnavailable("down")))

    make_production(answer).run()

    assert answer.booked[0].first_token_s is None


def test_a_stream_that_was_never_started_is_gone():
    """The engine knows only what it was told."""
    with pytest.raises(StreamGone) as gone:
        make_engine().join("unknown")

    assert gone.value.reason == "unreachable"


_limit = st.none() | st.integers(1, 9).map(float)


@given(
    limits=st.builds(TimeLimits, first_chunk_s=_limit, between_chunks_s=_limit, total_s=_limit),
    steps=st.lists(st.sampled_from(["chunk", "look", "pass"]), max_size=40),
)
def test_a_limit_that_has_run_out_is_never_looked_for_too_late(limits, steps):
    """Whoever asks from `may_overstay_at` on alone hears what one who always asks would."""
    script, clock = Script(), FakeClock()
    production = make_production(Answer(script=script, time_limits=limits), clock)
    go_on: Callable[[], object] = production.begin

    for step in steps:
        clock.advance(1.0)
        now = clock.monotonic()
        if step == "look" and now >= production.may_overstay_at:
            production.overstayed(now)
        if step == "chunk":
            script.say("a")
            go_on()
            go_on = production.advance
        may_overstay_at = production.may_overstay_at
        if production.overstayed(now) is not None:
            assert now >= may_overstay_at
        production.may_overstay_at = may_overstay_at
