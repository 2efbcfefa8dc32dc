"""Work beside the requests."""

import threading

import pytest

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


def test_what_fails_ends(background):
    """Nobody is there to catch it; an end does not wait for it."""
    background.start(lambda: 1 // 0)

    assert background.stop(30)


def test_nothing_is_begun_after_the_end(background):
    """It would find its database closed, and open it again."""
    done = []
    background.stop(0)

    background.start(lambda: done.append("work"))

    assert background.stop(0)
    assert done == []
