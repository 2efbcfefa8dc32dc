"""The memory tier: least recently used goes first, by bytes, at the same cost at any size.

Flask-Caching's SimpleCache, which it stands in for, sorts all its keys at its limit and drops what
expires soonest; here every operation is a few dictionary steps.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from flask_caching.backends.base import BaseCache
from flask_caching.backends.simplecache import SimpleCache

from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["MemoryCache"]

NO_SIZE_BYTES = 256
STEP = 500


class MemoryCache(SimpleCache):
    """A dictionary with a byte budget, TTLs and O(1) least-recently-used eviction.

    Args:
        max_bytes: what all values together may take.
        default_timeout: seconds for values set without a timeout; 0 means for ever.
        clock: where it reads the time.
    """

    def __init__(
        self, *, max_bytes: int, default_timeout: int = 300, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(default_timeout=default_timeout)
        self._max_bytes = max_bytes
        self._clock = clock
        self._guard = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, int, Any]] = OrderedDict()
        self.size_bytes = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Any:
        """The value, or `None`."""
        with self._guard:
            found = self._entries.get(key)
            if found is None:
                return None
            if found[0] <= self._clock.monotonic():
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return found[2]

    def set(
        self,
        key: str,
        value: Any,
        timeout: int | timedelta | None = None,
        *,
        size_bytes: int = NO_SIZE_BYTES,
        unless: Callable[[Any], bool] | None = None,
    ) -> bool:
        """Keep `value` for `timeout` seconds (0: for ever); `False` if it is over the budget.

        `unless` may look at the live value that stands there, and have it stay.
        """
        # SimpleCache's own makes an instant of it, by a clock that is not ours.
        seconds = BaseCache._normalize_timeout(self, timeout)  # noqa: SLF001 (its grandparent's)
        ends = self._clock.monotonic() + seconds if seconds > 0 else float("inf")
        with self._guard:
            if unless is not None and (live := self._live(key)) is not None and unless(live):
                return False
            self._drop(key)
            if size_bytes > self._max_bytes:
                return False
            self._entries[key] = (ends, size_bytes, value)
            self.size_bytes += size_bytes
            while self.size_bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))
                self.evictions += 1
            return True

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep `value` if there is none."""
        if self.has(key):
            return False
        return self.set(key, value, timeout)

    def has(self, key: str) -> bool:
        """Whether there is a live value; does not count as use."""
        with self._guard:
            found = self._entries.get(key)
            return found is not None and found[0] > self._clock.monotonic()

    def delete(self, key: str) -> bool:
        """Drop a value; whether there was one."""
        with self._guard:
            return self._drop(key)

    def clear(self) -> bool:
        """Drop everything."""
        with self._guard:
            self._entries.clear()
            self.size_bytes = 0
        return True

    def drop_where(self, unwanted: Callable[[Any], bool]) -> int:
        """Drop the values that `unwanted` names; how many. Walks all: not for a request's way."""
        with self._guard:
            keys = [key for key, (_, _, value) in self._entries.items() if unwanted(value)]
            for key in keys:
                self._drop(key)
        return len(keys)

    def drop_ended(self) -> list[Any]:
        """Drop what has run out; its values. In small steps: readers in between go on."""
        with self._guard:
            keys = list(self._entries)
        ended = []
        for start in range(0, len(keys), STEP):
            with self._guard:
                now = self._clock.monotonic()
                for key in keys[start : start + STEP]:
                    found = self._entries.get(key)
                    if found is not None and found[0] <= now:
                        ended.append(found[2])
                        self._drop(key)
        return ended

    def items(self) -> Iterator[tuple[str, int, Any]]:
        """Key, size in bytes and value of what is live, most recently used first."""
        with self._guard:
            now = self._clock.monotonic()
            live = [(k, size, v) for k, (ends, size, v) in self._entries.items() if ends > now]
        return iter(live[::-1])

    def _live(self, key: str) -> Any:
        found = self._entries.get(key)
        return found[2] if found is not None and found[0] > self._clock.monotonic() else None

    def _drop(self, key: str) -> bool:
        found = self._entries.pop(key, None)
        if found is None:
            return False
        self.size_bytes -= found[1]
        return True
