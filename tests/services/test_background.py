"""Work beside the requests."""

import threading

import pytest
import structlog

from services.background import BackgroundWork


@pytest.fixture
def background():
    """Work that needs no context."""
    return BackgroundWork(lambda work: work())


def test_an_end_waits_for_what_is_under_way(background):
    """A booking must not be cut off."""
    may_end, done = threading.Event(), []

    def work():
        assert may_end.wait(30)
        done.append("work")

    background.start(work)
    had_ended = background.stop(0.01)
    may_end.set()

    assert background.stop(30)
    assert (had_ended, done) == (False, ["work"])


def test_nothing_under_way_is_no_wait(background):
    """The usual end."""
    assert background.stop(0)


def test_what_fails_is_logged_and_ends(background):
    """Nobody is there to catch it."""
    with structlog.testing.capture_logs() as logged:
        background.start(lambda: 1 // 0)
        assert background.stop(30)

    assert [each["event"] for each in logged] == ["background_work_failed"]


def test_nothing_is_begun_after_the_end(background):
    """It would find its database closed, and open it again."""
    background.stop(0)

    with structlog.testing.capture_logs() as logged:
        background.start(lambda: 1 // 0)

    assert [each["event"] for each in logged] == ["background_work_refused"]
