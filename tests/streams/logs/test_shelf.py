"""How long logs are kept."""

import pytest

from streams.events import Draft
from streams.logs.shelf import LogShelf
from tests.doubles.fake_clock import FakeClock


@pytest.fixture
def clock():
    """Moved by hand."""
    return FakeClock()


@pytest.fixture
def shelf(clock):
    """Room for a minute and a kilobyte."""
    return LogShelf(clock=clock, ttl_s=60, max_bytes=1_000)


def end(shelf: LogShelf, stream_id: str, size_bytes: int) -> None:
    """A stream that ran and ended."""
    shelf.open(stream_id).close([Draft("done", b"x" * size_bytes)])
    shelf.retire(stream_id)


def test_a_running_log_is_kept_however_long_it_takes(shelf, clock):
    """Only the end starts the time."""
    log = shelf.open("s")
    clock.advance(10_000)

    assert shelf.find("s") is log


def test_an_ended_log_expires(shelf, clock):
    """Late resumes work without Redis, for a while."""
    end(shelf, "s", 10)
    clock.advance(59)
    assert shelf.find("s") is not None

    clock.advance(2)

    assert shelf.find("s") is None
    assert shelf.ended_bytes == 0


def test_the_oldest_goes_when_there_is_too_much(shelf):
    """Ended streams have a budget together."""
    for name in "abc":
        end(shelf, name, 300)

    assert [shelf.find(name) is not None for name in "abc"] == [False, True, True]
    assert shelf.ended_bytes <= 1_000


def test_a_stream_is_opened_once(shelf):
    """Ended or not."""
    shelf.open("s")
    end(shelf, "t", 10)

    with pytest.raises(ValueError, match="before"):
        shelf.open("s")
    with pytest.raises(ValueError, match="before"):
        shelf.open("t")


def test_retiring_what_is_unknown_does_nothing(shelf):
    """Ends race; the second finds nothing."""
    shelf.retire("unknown")

    assert shelf.ended_bytes == 0
