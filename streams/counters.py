"""What the engine counts of itself."""

import threading
from collections import Counter

from telemetry import counting

__all__ = ["StreamCounters"]


class StreamCounters:
    """Named counts, exact under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.registry = counting.CollectorRegistry()
        self._exposed = counting.Counter(
            "larder_streams", "What streams came to.", ["event"], registry=self.registry
        )

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more of `name`."""
        with self._lock:
            self._counts[name] += amount
        self._exposed.labels(name).inc(amount)

    def snapshot(self) -> dict[str, int]:
        """All counts by now."""
        with self._lock:
            return dict(self._counts)
