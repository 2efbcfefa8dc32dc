"""A soak: mixed load under random faults, every oracle on; ends with a verdict.

`python -m benchmarks.soak --seconds 600`. Two machines of one installation, gevent and gthread,
share a Redis that is refused, frozen, slow, restored from old snapshots, emptied, filled, locked
and made read-only at random, while workers are killed. Asserted: no read older than an
acknowledged write, no request failed, every hit audited without a difference, nothing servable that
differs from the database at the end, memory and generation rows bounded.
"""

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.installation import Installation
from tests.faults.redis_faults import AWAY, HERE, Victim
from tests.oracles.larder_store import LarderStore
from tests.oracles.version_checker import Verdict, check_versions
from tests.streams.scripts import wait_until

KEYS = [f"conversation-{number}" for number in range(12)]
UP_S, AWAY_S, KILL_EACH_S = (0.2, 2.0), (0.2, 2.0), 15.0
SAMPLE_S = 2.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
GROWTH_BYTES = 96 * 2**20
"""What a worker may gain after the first third: its memory tier's budget, and half as much."""


@dataclass
class Samples:
    """The largest worker and the generation rows, over time."""

    resident: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class Soak:
    """One run in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "redis").mkdir()
        (folder / "larder").mkdir()
        self.victim = Victim(folder / "redis")
        self.larder = Installation(folder / "larder", [self.victim.url] * 2)
        self.database = folder / "larder" / "instance" / "larder.sqlite3"
        self.samples = Samples()
        self.faults: dict[str, int] = {}
        self.killed = 0
        self._ended = threading.Event()

    def run(self, seconds: float) -> tuple[Verdict, list[str], list[dict[str, int]]]:
        """Soak for so long; the verdict, what was wrong besides, and the machines' figures."""
        self.larder.start()
        store = LarderStore(self.larder.servers, KEYS)
        troubles = [
            threading.Thread(target=each) for each in (self._trouble, self._kill, self._sample)
        ]
        for each in troubles:
            each.start()
        verdict = check_versions(store, KEYS, seconds=seconds, writers=3, readers=6)
        self._ended.set()
        for each in troubles:
            each.join()
        wait_until(lambda: store.read(KEYS[0]) is not None, within_s=60)
        self.larder.wait_for("redis")
        wrong = [*store.failures, *store.differences()]
        return verdict, wrong, self.larder.stop()

    def _trouble(self) -> None:
        faults = {name: fault for each in (AWAY, HERE) for name, (fault, _) in each.items()}
        while not self._ended.is_set():
            name = random.choice(list(faults))  # noqa: S311 (no secret)
            self.faults[name] = self.faults.get(name, 0) + 1
            with faults[name](self.victim):
                self._ended.wait(random.uniform(*AWAY_S))  # noqa: S311
            self._ended.wait(random.uniform(*UP_S))  # noqa: S311

    def _kill(self) -> None:
        while not self._ended.wait(KILL_EACH_S):
            pids = random.choice(self.larder.servers).worker_pids()  # noqa: S311
            os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311
            self.killed += 1

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            pids = [pid for each in self.larder.servers for pid in each.worker_pids()]
            self.samples.resident.append(max(map(_resident, pids), default=0))
            with closing(sqlite3.connect(self.database, timeout=30)) as connection:
                (rows,) = connection.execute("SELECT count(*) FROM cache_generations").fetchone()
            self.samples.rows.append(rows)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def main() -> None:
    """Run it, print what was seen, and fail on anything that must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="larder-soak-") as folder:
        soak = Soak(Path(folder))
        began_s = time.monotonic()
        try:
            verdict, wrong, figures = soak.run(seconds)
        finally:
            soak.victim.close()
    third = len(soak.samples.rows) // 3
    settled = soak.samples.resident[third]
    print(
        f"{time.monotonic() - began_s:.0f} s, workers killed: {soak.killed}, faults: {soak.faults}"
    )
    print(f"reads {verdict.reads}, writes {verdict.writes}, unanswered {verdict.unanswered}")
    print(f"stale {verdict.stale_reads} {verdict.stale}, wrong {wrong}")
    print(
        f"MB of the largest worker: {[each >> 20 for each in soak.samples.resident[:: third or 1]]}"
    )
    print(f"generation rows: {soak.samples.rows[:: third or 1]}")
    print(f"figures: {figures}")
    assert verdict.stale_reads == 0
    assert not wrong
    assert all(each["inconsistencies"] == 0 for each in figures)
    assert soak.samples.resident[-1] < settled + GROWTH_BYTES
    assert soak.samples.rows[-1] <= soak.samples.rows[third] + len(KEYS)


if __name__ == "__main__":
    main()
