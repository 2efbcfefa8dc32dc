"""The handle of a stream of this worker."""

import pytest

from providers.protocol import ProviderUnavailable
from streams.events import Event
from streams.running import RunningStream
from tests.streams.scripts import Answer, Script, make_engine


def test_waiting_is_bounded():
    """A request without streaming waits, but not for ever."""
    stream = make_engine().start(Answer(script=Script().say("a")).plan())

    with pytest.raises(TimeoutError):
        stream.wait(0.01)


def test_a_reader_of_a_handle_may_begin_late():
    """Its position is the id it has had."""
    stream = make_engine().start(Answer(script=Script().say("a").finish()).plan())

    assert [e.id for e in stream.events(after=1) if isinstance(e, Event)] == [2, 3]


def test_a_stream_is_found_while_it_runs():
    """Identical requests in flight share it."""
    engine = make_engine()
    script = Script().say("a")
    started = engine.start(Answer(script=script).plan())

    found = engine.find("s")

    assert found is not None
    assert found.stream_id == "s"
    found.wait_begun()
    script.finish()
    started.wait(5)
    assert engine.find("s") is None


def test_who_shares_a_stream_that_fails_unopened_gets_the_failure():
    """As the one who asked first does."""
    engine = make_engine()
    script = Script()
    found: list[RunningStream | None] = []

    def pull() -> Script:
        found.append(engine.find("s"))
        return script.fail(ProviderUnavailable("down"))

    with pytest.raises(ProviderUnavailable):
        engine.start(Answer(pull=pull).plan())

    assert found[0] is not None
    with pytest.raises(ProviderUnavailable):
        found[0].wait_begun()
