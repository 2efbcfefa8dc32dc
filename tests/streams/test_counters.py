"""Counting."""

from streams.counters import StreamCounters


def test_counts_add_up_by_name():
    """Operators read these."""
    counters = StreamCounters()

    counters.add("started")
    counters.add("started", 2)
    counters.add("done")

    assert counters.snapshot() == {"started": 3, "done": 1}
