"""Another call's stream, read to its end: lost from sight, it is joined again, or said to be."""

import msgspec
import pytest

from services.followed_streams import MOST_JOINS, followed
from services.runtime import runtime
from streams.errors import StreamGone
from streams.events import Event
from streams.logs.replica import Replica
from streams.reading import Reader

HELLO = [Event(0, "chunk", b"Hel"), Event(1, "chunk", b"lo")]
DONE = Event(2, "chunk", b"[DONE]", terminal=True)


def _reader(*events, after=-1, is_cut=True):
    replica = Replica("s")
    replica.extend(events)
    if is_cut:
        replica.cut()
    return Reader(replica, after=after, heartbeat_s=5)


@pytest.fixture
def joins(context, monkeypatch):
    """What joining again brings, time after time; what it was asked for is noted."""
    brought: list[Reader] = []
    asked: list[tuple[str, int, bool]] = []

    def join(stream_id, *, after, is_expected):
        asked.append((stream_id, after, is_expected))
        if not brought:
            raise StreamGone(stream_id, "unreachable")
        return brought.pop(0)

    monkeypatch.setattr(runtime().streams, "join", join)
    return brought, asked


def _events(reader):
    return [event for batch in followed(reader) for event in batch]


def test_a_stream_that_stays_in_sight_is_read_as_it_is(joins):
    """Nothing is joined, nothing added."""
    assert _events(_reader(*HELLO, DONE, is_cut=False)) == [*HELLO, DONE]
    assert joins == ([], [])


def test_a_stream_that_is_lost_from_sight_is_joined_again(joins):
    """After what was read: nothing twice, nothing left out."""
    brought, asked = joins
    brought.append(_reader(*HELLO, DONE, after=1, is_cut=False))

    assert _events(_reader(*HELLO)) == [*HELLO, DONE]
    assert asked == [("s", 1, True)]


def test_a_stream_that_stays_out_of_sight_ends_in_an_error(joins):
    """A client of `/v1` would take what it has for the whole answer."""
    *read, last = _events(_reader(*HELLO))

    assert read == HELLO
    assert (last.id, last.name, last.terminal) == (2, "error", True)
    said = msgspec.json.decode(last.data)
    assert (said["code"], said["status"], said["retryable"]) == ("stream_elsewhere", 503, True)


def test_a_stream_that_comes_and_goes_is_left_at_last(joins):
    """Nobody is kept for ever."""
    brought, _ = joins
    brought.extend(_reader(*HELLO, after=1) for _ in range(MOST_JOINS + 1))

    assert _events(_reader(*HELLO))[-1].name == "error"
