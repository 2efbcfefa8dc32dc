"""The version checker: no read may return less than was acknowledged before it began.

Each write of a key is one version higher than the last. The reader notes what was acknowledged,
asks, and compares: linear in the number of reads, and complete for the promise «a read that starts
after a write was acknowledged returns that write or a later one» (after Meta's Polaris, 2022). A
write whose answer was lost may have happened or not; it was not acknowledged, so nothing is
demanded of it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Protocol

__all__ = ["Store", "Verdict", "check_versions"]

JOIN_S = 60
KEPT_FINDINGS = 20


class Store(Protocol):
    """What is judged: something that keeps a version for each key."""

    def write(self, key: str, version: int) -> bool:
        """Write `version`; whether it was acknowledged."""
        ...

    def read(self, key: str) -> int | None:
        """The version that is served; `None` when there was no answer."""
        ...


@dataclass
class Verdict:
    """What the checker saw. `stale` has some findings in words, `stale_reads` counts all."""

    reads: int = 0
    writes: int = 0
    unanswered: int = 0
    stale_reads: int = 0
    stale: list[str] = field(default_factory=list)

    def found(self, finding: str) -> None:
        """Note a read that returned less than it had to."""
        self.stale_reads += 1
        if len(self.stale) < KEPT_FINDINGS:
            self.stale.append(finding)


class _Ledger:
    """What was acknowledged, shared by all threads of one check."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.verdict = Verdict()
        self._acked = dict.fromkeys(keys, 0)
        self._lock = threading.Lock()
        self._turns = {key: threading.Lock() for key in keys}
        self._versions = dict.fromkeys(keys, 0)

    def write(self, store: Store, key: str) -> None:
        """Write the next version of `key`; writers of one key take turns."""
        with self._turns[key]:
            self._versions[key] += 1
            version = self._versions[key]
            is_acked = store.write(key, version)
            with self._lock:
                if is_acked:
                    self._acked[key] = version
                    self.verdict.writes += 1
                else:
                    self.verdict.unanswered += 1

    def read(self, store: Store, key: str) -> None:
        """Read `key` and judge the answer."""
        floor = self._acked[key]
        version = store.read(key)
        with self._lock:
            if version is None:
                self.verdict.unanswered += 1
                return
            self.verdict.reads += 1
            if version < floor:
                self.verdict.found(f"{key}: {version} read, {floor} acknowledged before")


def check_versions(
    store: Store,
    keys: Sequence[str],
    *,
    seconds: float,
    writers: int = 2,
    readers: int = 4,
    is_enough: Callable[[Verdict], bool] = lambda _: False,
) -> Verdict:
    """Write and read at once for `seconds`, or until `is_enough`; every key has to be at 0 or 1.

    Args:
        store: what is judged; called from many threads.
        keys: what is written and read.
        seconds: how long.
        writers: threads that write, each all keys in turn.
        readers: threads that read likewise.
        is_enough: ends the check early, such as at the first finding.
    """
    ledger = _Ledger(keys)
    ends_s = time.monotonic() + seconds

    def work(step: Callable[[Store, str], None], offset: int) -> None:
        for key in cycle([*keys[offset:], *keys[:offset]]):
            step(store, key)
            if time.monotonic() > ends_s or is_enough(ledger.verdict):
                return

    steps = [ledger.write] * writers + [ledger.read] * readers
    threads = [
        threading.Thread(target=work, args=(step, number % len(keys)), daemon=True)
        for number, step in enumerate(steps)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + JOIN_S)
        assert not thread.is_alive(), "a request never ended"
    return ledger.verdict
