"""The machine's own clock."""

from datetime import UTC, timedelta

from telemetry.clock import SYSTEM_CLOCK


def test_an_instant_says_its_zone():
    """A naive time would be refused by every column that keeps one."""
    assert SYSTEM_CLOCK.now().tzinfo is UTC


def test_a_pause_passes_on_both_dials():
    """Timeouts are measured on one, stored instants are read from the other."""
    began, began_s = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.monotonic()

    SYSTEM_CLOCK.sleep(0.02)

    assert SYSTEM_CLOCK.monotonic() - began_s >= 0.02
    assert SYSTEM_CLOCK.now() - began >= timedelta(seconds=0.015)
