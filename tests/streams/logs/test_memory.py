"""The log in memory: order, positions, waiting."""

import threading

import pytest

from streams.events import Draft, Event
from streams.logs.memory import Bell, MemoryLog
from streams.logs.replica import Replica


def drafts(*lines: str) -> list[Draft]:
    """Events of these lines."""
    return [Draft("delta", line.encode()) for line in lines]


def test_ids_count_up_from_zero():
    """A reader's position is the last id it has had."""
    log = MemoryLog("s")

    log.append(drafts("a", "b"))
    log.append(drafts("c"))

    assert [(e.id, e.data) for e in log.after(-1)] == [(0, b"a"), (1, b"b"), (2, b"c")]


def test_only_the_last_closing_event_is_terminal():
    """S7: one end."""
    log = MemoryLog("s")

    log.close(drafts("usage", "done"))

    assert [e.terminal for e in log.after(-1)] == [False, True]


def test_whoever_was_quick_has_had_the_end():
    """It may be read, and its reader be back, before the log counts as closed."""
    shown = []

    class Watched(MemoryLog):
        def _keep(self, event):
            super()._keep(event)
            shown.append(self.has_shown_end(event.id))

    Watched("s").close(drafts("usage", "done"))

    assert shown == [True]


@pytest.mark.parametrize(("last", "has_failed"), [("done", False), ("error", True)])
def test_a_log_that_ends_in_an_error_has_failed(last, has_failed):
    """One that goes on has not, so far."""
    log = MemoryLog("s")
    log.append(drafts("a"))
    before = log.has_failed

    log.close([Draft(last, b"{}")])

    assert (before, log.has_failed) == (False, has_failed)


@pytest.mark.parametrize("end", [Replica.cut, lambda replica: replica.lose(set())])
def test_a_copy_whose_end_is_not_seen_has_failed(end):
    """For whoever wants the whole."""
    replica = Replica("s")
    replica.extend([Event(0, "delta", b"a")])

    end(replica)

    assert replica.has_failed


def test_a_log_is_closed_once():
    """Whoever comes second changes nothing."""
    log = MemoryLog("s")
    log.close(drafts("done"))

    log.close(drafts("error"))
    log.append(drafts("late"))

    assert [e.data for e in log.after(-1)] == [b"done"]


def test_a_reader_gets_everything_that_is_ready_at_once():
    """One write for many tokens."""
    log = MemoryLog("s")
    log.append(drafts("a", "b", "c"))

    events = log.read(0, timeout_s=0, bell=Bell())

    assert [e.data for e in events or ()] == [b"b", b"c"]


def test_a_batch_is_bounded():
    """A reader far behind must not make one write of megabytes."""
    log = MemoryLog("s")
    log.append(drafts(*"abcdef"))

    assert len(log.read(-1, timeout_s=0, bell=Bell(), limit=4) or ()) == 4


def test_silence_is_told_apart_from_the_end():
    """The one is a heartbeat, the other ends the response."""
    log = MemoryLog("s")
    assert log.read(-1, timeout_s=0.01, bell=Bell()) == []

    log.close(drafts("done"))

    assert log.read(0, timeout_s=0.01, bell=Bell()) is None


def test_a_waiting_reader_is_woken_by_the_next_event():
    """No polling: the reader has it at once."""
    log = MemoryLog("s")
    got: list[Event] = []
    reader = threading.Thread(
        target=lambda: got.extend(log.read(-1, timeout_s=30, bell=Bell()) or ())
    )
    reader.start()

    log.append(drafts("a"))
    reader.join(5)

    assert [e.data for e in got] == [b"a"]


class _WatchedBell(Bell):
    """Says when somebody waits at it."""

    def __init__(self):
        super().__init__()
        self.is_waited_at = threading.Event()

    def wait(self, timeout_s=-1):
        self.is_waited_at.set()
        return super().wait(timeout_s)


def test_a_ring_for_nothing_new_is_no_silence():
    """A reader may have seen the events that it is rung for: it waits on."""
    log, bell = MemoryLog("s"), _WatchedBell()
    seen: list[Event] = []

    def read() -> None:
        seen.extend(log.read(-1, timeout_s=60, bell=bell) or ())

    reader = threading.Thread(target=read)
    reader.start()
    assert bell.is_waited_at.wait(30)

    bell.is_waited_at.clear()
    log.append([])
    assert bell.is_waited_at.wait(30)
    log.append(drafts("a"))
    reader.join(30)

    assert [e.data for e in seen] == [b"a"]


def test_the_size_counts_events_as_well_as_bytes():
    """A million empty events are not nothing."""
    log = MemoryLog("s")

    log.append(drafts(*[""] * 100))

    assert log.size_bytes > 10_000


def test_a_look_at_the_log_can_be_limited():
    """What goes to Redis goes in bounded pieces, but never in none."""
    log = MemoryLog("s")
    log.append(drafts("x" * 100, "y" * 100, "z" * 100))

    assert [e.id for e in log.after(-1, limit_bytes=1)] == [0]
    assert [e.id for e in log.after(-1, limit_bytes=150)] == [0, 1]


def test_the_end_is_known_to_have_been_shown():
    """Such a reader is told not to come again."""
    log = MemoryLog("s")
    log.append(drafts("a"))
    assert not log.has_shown_end(0)

    log.close(drafts("done"))

    assert not log.has_shown_end(0)
    assert log.has_shown_end(1)
