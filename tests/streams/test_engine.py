"""The engine as services see it, in one worker."""

import threading
import time
from typing import NoReturn

import pytest

from providers.protocol import Chunk, ProviderBroken, ProviderUnavailable
from streams.engine import StreamHooks, StreamLimits
from streams.errors import InternalFailure, ServerShutdown
from streams.events import Event
from tests.streams.scripts import (
    Answer,
    Script,
    code_of,
    events_of,
    make_engine,
    names,
    text_of,
    wait_until,
)


def test_an_answer_is_logged_from_start_to_done():
    """The wire format that clients rely on: start, deltas, usage, one done, ids without a gap."""
    engine = make_engine()
    answer = Answer(script=Script().say("Hel", "lo").finish())

    stream = engine.start(answer.plan())
    events = [e for e in stream.events() if isinstance(e, Event)]

    assert names(events) == ["start", "delta", "delta", "usage", "done"]
    assert [e.id for e in events] == [0, 1, 2, 3, 4]
    assert [e.terminal for e in events] == [False] * 4 + [True]
    assert answer.booked[0].text == "Hello"


def test_an_answer_can_be_produced_on_the_callers_own_thread():
    """Who waits for the whole of it anyway needs no thread; everything else is the same."""
    engine = make_engine()
    answer = Answer(script=Script().say("Hel", "lo").finish())

    outcome = engine.run(answer.plan()).wait(0)

    assert outcome.text == "Hello"
    assert answer.booked == [outcome]
    assert names(events_of(engine)) == ["start", "delta", "delta", "usage", "done"]
    assert engine.running() == []


def test_an_answer_on_the_callers_own_thread_is_stopped_from_elsewhere():
    """S4 holds for it as well."""
    engine = make_engine()
    script = Script().say("so far")
    answer = Answer(script=script)

    def stop_it() -> None:
        wait_until(lambda: script.taken > 0)
        engine.stop("s")

    stopping = threading.Thread(target=stop_it)
    stopping.start()

    outcome = engine.run(answer.plan()).wait(0)
    stopping.join(5)

    assert (outcome.text, outcome.finish_reason) == ("so far", "cancelled")


def test_a_failure_on_the_callers_own_thread_is_booked_and_raised():
    """As it is on a thread of its own."""
    engine = make_engine()
    answer = Answer(script=Script().fail(ProviderUnavailable("down", status=503)))

    with pytest.raises(ProviderUnavailable):
        engine.run(answer.plan())

    assert [code_of(outcome) for outcome in answer.booked] == ["provider_unavailable"]


def test_chunks_that_came_together_are_shown_together():
    """Readers are woken once for all of them; ids and order are those of single ones."""
    engine = make_engine()
    script = Script().say("a").give(Chunk(text="b", is_followed=True))
    stream = engine.start(Answer(script=script).plan())
    wait_until(lambda: script.taken == 2)
    held_back = text_of(engine.logged("s"))
    script.say("c").finish()
    stream.wait(5)

    assert held_back == "a"
    assert text_of(events_of(engine)) == "abc"


def test_what_was_held_back_is_shown_when_the_stream_breaks():
    """The text that is booked and the text that was read are the same."""
    engine = make_engine()
    script = Script().say("a").give(Chunk(text="b", is_followed=True)).fail(ProviderBroken("cut"))
    answer = Answer(script=script)

    engine.start(answer.plan()).wait(5)

    assert text_of(events_of(engine)) == answer.booked[0].text == "ab"


def test_start_returns_with_the_first_chunk_not_with_the_last():
    """The response's head goes out when the first token is there."""
    engine = make_engine()
    script = Script().say("first")
    answer = Answer(script=script)

    stream = engine.start(answer.plan())

    assert engine.running() == ["s"]
    script.finish()
    assert stream.wait(5).text == "first"
    assert engine.running() == []


def test_a_failure_before_the_first_chunk_is_booked_and_raised():
    """Such a failure is a plain HTTP error, not a stream; it stands in the ledger all the same."""
    engine = make_engine()
    answer = Answer(script=Script().fail(ProviderUnavailable("down", status=503)))

    with pytest.raises(ProviderUnavailable):
        engine.start(answer.plan())

    assert [code_of(outcome) for outcome in answer.booked] == ["provider_unavailable"]


def test_whoever_shares_a_stream_that_fails_unopened_hears_of_it():
    """Readers that joined before the first chunk get an end too."""
    engine = make_engine()
    answer = Answer(script=Script().fail(ProviderUnavailable("down")))

    with pytest.raises(ProviderUnavailable):
        engine.start(answer.plan())

    assert names(events_of(engine)) == ["error"]


def test_a_failure_in_mid_stream_ends_it_with_one_error():
    """A provider that breaks off must not look like a complete answer."""
    engine = make_engine()
    answer = Answer(script=Script().say("par", "tial").fail(ProviderBroken("cut")))

    engine.start(answer.plan())
    events = events_of(engine)

    assert names(events) == ["start", "delta", "delta", "error"]
    assert b"provider_broken" in events[-1].data
    assert answer.booked[0].text == "partial"


def test_a_client_that_goes_away_stops_nothing():
    """The answer is finished, kept and booked without readers."""
    engine = make_engine()
    script = Script().say("a")
    answer = Answer(script=script)
    reader = iter(engine.start(answer.plan()).events())
    next(reader)
    del reader

    script.say("b", "c").finish()

    wait_until(lambda: bool(answer.booked))
    assert answer.booked[0].text == "abc"


def test_a_stop_ends_at_once_and_keeps_what_came():
    """A quarter of a second is what a person takes for at once."""
    engine = make_engine()
    script = Script().say("so far")
    answer = Answer(script=script)
    stream = engine.start(answer.plan())
    begun = time.monotonic()

    assert engine.stop("s")
    outcome = stream.wait(5)

    assert time.monotonic() - begun < 0.25
    assert script.closed.is_set()
    assert (outcome.text, outcome.finish_reason) == ("so far", "cancelled")
    assert names(events_of(engine)) == ["start", "delta", "usage", "done"]


def test_a_stop_works_on_a_provider_that_does_not_react():
    """A hanging connection must neither keep the reader waiting nor the answer unbooked."""
    engine = make_engine()
    answer = Answer(script=Script(minds_close=False).say("so far"))
    stream = engine.start(answer.plan())
    begun = time.monotonic()

    engine.stop("s")
    outcome = stream.wait(5)

    assert time.monotonic() - begun < 0.35
    assert outcome.finish_reason == "cancelled"
    assert len(answer.booked) == 1


def test_a_stop_works_while_the_call_is_being_opened():
    """A provider that has not answered yet is no reason to wait."""
    engine = make_engine()
    opened = threading.Event()
    script = Script()

    def pull() -> Script:
        opened.wait(10)
        return script

    answer = Answer(pull=pull)
    starter = threading.Thread(target=lambda: engine.start(answer.plan()))
    starter.start()
    wait_until(lambda: engine.running() == ["s"])

    engine.stop("s")
    wait_until(lambda: engine.running() == [])
    opened.set()
    starter.join(5)

    assert [outcome.finish_reason for outcome in answer.booked] == ["cancelled"]
    assert script.closed.wait(5)
    assert names(events_of(engine)) == ["start", "usage", "done"]


def test_stopping_what_does_not_run_here_says_so():
    """Without Redis the service has to leave word in the database."""
    assert not make_engine().stop("unknown")


def test_a_stop_through_the_database_arrives():
    """Workers without a common Redis stop each other by a flag that is polled."""
    wanted: list[str] = []
    engine = make_engine(hooks=StreamHooks(stops_requested=lambda _: wanted))
    answer = Answer(script=Script().say("so far"))
    stream = engine.start(answer.plan())

    wanted.append("s")

    assert stream.wait(1).finish_reason == "cancelled"


def test_an_answer_beyond_the_limit_is_ended_and_booked():
    """One runaway answer must not take the worker's memory."""
    engine = make_engine(limits=StreamLimits(stream_bytes=5_000))
    answer = Answer(script=Script().say(*["x" * 100] * 200))

    outcome = engine.start(answer.plan()).wait(5)

    assert code_of(outcome) == "answer_too_large"
    assert names(events_of(engine))[-1] == "error"
    assert len(outcome.text) < 5_000


def test_a_shutdown_lets_running_streams_finish():
    """A graceful restart costs no answer."""
    engine = make_engine()
    script = Script().say("a")
    answer = Answer(script=script)
    stream = engine.start(answer.plan())
    threading.Timer(0.1, script.finish).start()

    engine.shutdown(grace_s=5)

    assert stream.wait(0).finish_reason == "stop"


def test_a_shutdown_ends_what_does_not_finish_in_time():
    """What was produced, and paid for, is booked before the worker goes."""
    engine = make_engine()
    deaf, prompt = Script(minds_close=False).say("a"), Script().say("b")
    answers = [Answer("deaf", script=deaf), Answer("prompt", script=prompt)]
    for answer in answers:
        engine.start(answer.plan())

    engine.shutdown(grace_s=0.05)

    assert [code_of(a.booked[0]) for a in answers] == ["server_shutdown"] * 2
    assert [names(events_of(engine, a.stream_id))[-1] for a in answers] == ["error"] * 2


def test_nothing_new_starts_during_a_shutdown():
    """The refusal is booked like any failure, so nothing reserved stays reserved."""
    engine = make_engine()
    engine.shutdown(grace_s=0)
    answer = Answer()

    with pytest.raises(ServerShutdown):
        engine.start(answer.plan())

    assert [code_of(outcome) for outcome in answer.booked] == ["server_shutdown"]


def test_a_stream_id_is_used_once():
    """Two streams under one name could not be told apart by their readers."""
    engine = make_engine()
    engine.start(Answer(script=Script().say("a").finish()).plan()).wait(5)

    with pytest.raises(ValueError, match="before"):
        engine.start(Answer().plan())


def test_two_hundred_streams_leave_no_threads():
    """A thread that stays after each stream would end the worker within the day."""
    engine = make_engine()
    before = threading.active_count()
    for number in range(200):
        engine.start(Answer(f"s{number}", script=Script().say("a").finish()).plan()).wait(5)

    wait_until(lambda: threading.active_count() <= before + 1)
    assert engine.counters.snapshot() == {"started": 200, "done": 200}


def test_a_stream_that_no_thread_can_look_after_is_ended(monkeypatch):
    """Booked, and not left running for ever."""

    def refuse(_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    engine = make_engine()
    answer = Answer(script=Script().say("a").finish())
    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(InternalFailure):
        engine.start(answer.plan())

    assert code_of(answer.booked[0]) == "internal_error"
    assert engine.running() == []


def test_a_context_that_cannot_be_entered_still_ends_the_stream():
    """Whatever fails around the producer, readers get an end and the answer is booked."""

    def broken(work):
        raise RuntimeError("no context")

    engine = make_engine()
    engine._in_context = broken  # noqa: SLF001 - the one collaborator that make_engine fixes
    answer = Answer(script=Script().say("a").finish())

    with pytest.raises(Exception, match="internal error"):
        engine.start(answer.plan())

    assert len(answer.booked) == 1
    assert names(events_of(engine)) == ["error"]
