"""Who pulls a stream's next events: whoever reads it, while they keep up; else a thread of its own.

A thread beside each reader's would take turns with it at the interpreter for every event, and each
turn is a call to the kernel (`docs/performance.md`, "Relaying"). So once a stream has begun, the
reader that has had everything pulls what comes next. It owns nothing by that: when it stays away,
because its client is slow or gone, a thread of the stream's own goes on in its place.
"""

import threading

__all__ = ["DriverSeat"]

MOST_MISSED = 10
"""How many more looks may find the seat empty than taken, before its reader counts as slow."""


class DriverSeat:
    """One seat: who sits there pulls the stream, and nobody else does.

    It is offered to readers when the stream has begun, and claimed back for good when they do not
    use it.
    """

    def __init__(self) -> None:
        self._seat = threading.Lock()
        self._claims = threading.Lock()
        self._is_offered = False
        self._turns = 0
        self._turns_seen = -1
        self._missed = 0

    def __enter__(self) -> None:
        """Sit down, as soon as whoever sits there leaves."""
        self._seat.acquire()

    def __exit__(self, *exc: object) -> None:
        self.leave()

    def offer(self) -> None:
        """From now on any reader may drive."""
        self._is_offered = True

    def take(self) -> bool:
        """Sit down as a reader, if the seat is offered and free; returns whether it was."""
        if not self._is_offered or not self._seat.acquire(blocking=False):
            return False
        self._turns += 1
        return True

    def leave(self) -> None:
        """Get up; the next to come may sit down."""
        self._seat.release()

    def claim(self, *, is_urgent: bool) -> bool:
        """Take the offer back, for a thread of the stream's own, if readers do not use it.

        To be asked at regular intervals: readers are away when nobody has sat down between two
        looks, and slow when most looks find the seat empty.

        Args:
            is_urgent: something is to be done, so that no absence is short enough.

        Returns:
            Whether it was there to be taken. Who gets true has to drive, by entering.
        """
        if not self._is_offered:
            return False
        if self._seat.locked():
            self._missed = max(0, self._missed - 1)
            return False
        is_away, self._turns_seen = self._turns == self._turns_seen, self._turns
        self._missed += 1
        if not (is_urgent or is_away or self._missed > MOST_MISSED):
            return False
        with self._claims:
            was_offered, self._is_offered = self._is_offered, False
        return was_offered
