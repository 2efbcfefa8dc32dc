"""Time limits that an adapter cannot outlast."""

import threading

import pytest

from providers.protocol import ProviderTimeout
from streams.engine import StreamHooks, StreamLimits
from streams.limits import TimeLimits
from tests.streams.scripts import (
    Answer,
    Script,
    code_of,
    events_of,
    make_engine,
    names,
    wait_until,
)


def test_a_provider_that_sends_nothing_runs_into_the_first_limit():
    """The caller gets its failure."""
    answer = Answer(time_limits=TimeLimits(first_chunk_s=0.05))

    with pytest.raises(ProviderTimeout):
        make_engine().start(answer.plan())

    assert [code_of(outcome) for outcome in answer.booked] == ["provider_timeout"]


def test_an_adapter_that_hangs_keeps_no_stream_from_its_end():
    """Only its caller has to wait for it; the answer is booked and its readers are told."""
    script = Script(minds_close=False)
    answer = Answer(script=script, time_limits=TimeLimits(first_chunk_s=0.05))
    engine = make_engine()
    told: list[ProviderTimeout] = []

    def ask() -> None:
        with pytest.raises(ProviderTimeout) as fault:
            engine.start(answer.plan())
        told.append(fault.value)

    caller = threading.Thread(target=ask)
    caller.start()

    wait_until(lambda: engine.running() == [] and bool(answer.booked))
    assert not told
    assert names(events_of(engine)) == ["error"]
    script.finish()
    caller.join(5)
    assert told


def test_a_pause_between_chunks_runs_into_its_limit():
    """What had come is kept."""
    answer = Answer(script=Script().say("a"), time_limits=TimeLimits(between_chunks_s=0.05))

    outcome = make_engine().start(answer.plan()).wait(5)

    assert (code_of(outcome), outcome.text) == ("provider_timeout", "a")


def test_an_answer_runs_into_the_total_limit():
    """However lively the provider is."""
    answer = Answer(script=Script().say("a"), time_limits=TimeLimits(total_s=0.05))

    assert code_of(make_engine().start(answer.plan()).wait(5)) == "provider_timeout"


def test_a_poll_that_fails_does_not_end_the_watch():
    """The database may be away for a moment."""
    calls = []

    def stops_requested(stream_ids):
        calls.append(list(stream_ids))
        if len(calls) == 1:
            raise OSError("database is away")
        return stream_ids

    engine = make_engine(
        hooks=StreamHooks(stops_requested=stops_requested),
        limits=StreamLimits(stop_poll_s=0.01),
    )

    outcome = engine.start(Answer(script=Script().say("a")).plan()).wait(5)

    assert outcome.finish_reason == "cancelled"


def test_a_poll_that_takes_long_holds_up_no_limit():
    """The database's pool alone may be waited for ten seconds."""
    asked, answered = threading.Event(), threading.Event()

    def stops_requested(_):
        asked.set()
        answered.wait(30)
        return []

    engine = make_engine(
        hooks=StreamHooks(stops_requested=stops_requested),
        limits=StreamLimits(stop_poll_s=0.01),
    )
    script = Script().say("a")
    stream = engine.start(
        Answer(script=script, time_limits=TimeLimits(between_chunks_s=0.5)).plan()
    )
    assert asked.wait(10)

    outcome = stream.wait(20)
    was_held_up = answered.is_set()
    answered.set()

    assert (code_of(outcome), was_held_up) == ("provider_timeout", False)


def test_the_watch_rests_when_nothing_runs():
    """An idle worker polls no database."""
    calls = []

    def stops_requested(stream_ids):
        calls.append(stream_ids)
        return []

    engine = make_engine(hooks=StreamHooks(stops_requested=stops_requested))
    engine.start(Answer(script=Script().say("a").finish()).plan()).wait(5)
    wait_until(lambda: not engine.running())
    count = len(calls)

    with pytest.raises(AssertionError):
        wait_until(lambda: len(calls) > count, within_s=0.5)
