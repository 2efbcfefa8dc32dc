"""A copy of another worker's log."""

import threading

from streams.events import Event
from streams.logs.memory import Bell
from streams.logs.replica import Replica


def event(number: int, *, terminal: bool = False) -> Event:
    """An event of that id."""
    return Event(number, "delta", b"%d" % number, terminal=terminal)


def test_fetched_events_join_on():
    """Rounds may overlap: what is known is skipped."""
    replica = Replica("s")
    replica.extend([event(0), event(1)])

    joined = replica.extend([event(1), event(2)])

    assert joined
    assert [e.id for e in replica.after(-1)] == [0, 1, 2]


def test_a_gap_is_refused():
    """An event left out would be a stream that is not equal; better to wait, or be cut."""
    replica = Replica("s")
    replica.extend([event(0)])

    assert not replica.extend([event(2)])
    assert replica.last_id == 0


def test_a_reader_is_not_woken_for_nothing():
    """A fetch that brings nothing is no heartbeat: its reader would send a comment for each."""
    replica = Replica("s")
    replica.extend([event(0)])
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.append(replica.read(0, timeout_s=10, bell=Bell())))
    reader.start()
    for _ in range(20):
        replica.extend([])
        threading.Event().wait(0.005)
    replica.extend([event(1)])
    reader.join(10)

    assert got == [[event(1)]]


def test_the_terminal_event_closes_it():
    """And nothing comes after it."""
    replica = Replica("s")

    replica.extend([event(0), event(1, terminal=True), event(2)])

    assert replica.is_closed
    assert replica.last_id == 1
    assert replica.has_shown_end(1)


def test_a_lost_stream_has_shown_its_end_to_those_who_were_told():
    """Each reader is told under the id that follows what it had, so the ids differ."""
    replica = Replica("s")
    replica.extend([event(0), event(1)])

    replica.lose({2, 5})

    assert replica.is_lost
    assert [replica.has_shown_end(after) for after in (1, 2, 3, 5)] == [False, True, False, True]


def test_an_end_that_came_is_not_lost():
    """A finding that comes too late changes nothing."""
    replica = Replica("s")
    replica.extend([event(0, terminal=True)])

    replica.lose(set())

    assert not replica.is_lost


def test_a_cut_is_not_an_end():
    """The client comes again, and is told then how things stand."""
    replica = Replica("s")
    replica.extend([event(0)])

    replica.cut()

    assert replica.read(0, timeout_s=0, bell=Bell()) is None
    assert not replica.has_shown_end(0)
