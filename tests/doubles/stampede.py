"""Workers as processes of their own, whose threads all ask for one key at the same moment.

Run as a program it is such a worker: it takes rounds from its input, a line of JSON each.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog

from cache.backends.redis import RedisTier
from cache.connection import Connection
from cache.engine import CacheEngine
from cache.file_locks import FileLocks
from cache.settings import CacheSettings
from telemetry.clock import SYSTEM_CLOCK
from tests.doubles.together import together
from tests.factories.caches import SIGNING, make_call, make_engine
from tests.streams.scripts import wait_until

__all__ = ["Round", "Stampede"]

ROOT = Path(__file__).resolve().parents[2]
READERS = 32
WORKERS = 4
LEASE_S, WAIT_S = 1.5, 3.0
ROW = "users:u1"
HANG_S = 30.0
LOAD_S = 0.2
PATIENT_S = 5.0
"""A busy machine is no outage of Redis."""


class SqliteGenerations:
    """Generations in a file that all workers share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as made, made:
            made.execute("CREATE TABLE IF NOT EXISTS g (scope TEXT PRIMARY KEY, n INTEGER)")

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The generation of each row; 0 if missing."""
        marks = ",".join("?" * len(scopes))
        with closing(sqlite3.connect(self._path, timeout=10)) as connection:
            rows = connection.execute(f"SELECT scope, n FROM g WHERE scope IN ({marks})", scopes)  # noqa: S608
            return dict.fromkeys(scopes, 0) | dict(rows.fetchall())

    def bump(self, scopes: Sequence[str]) -> None:
        """Raise these rows."""
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            connection.executemany(
                "INSERT INTO g VALUES (?, 1) ON CONFLICT (scope) DO UPDATE SET n = n + 1",
                [(scope,) for scope in scopes],
            )


class Round:
    """What came of one round: every reader's answer or fault, and how often was loaded."""

    def __init__(self, replies: list[dict[str, Any]], loads: int) -> None:
        self.values = [value for reply in replies for value in reply["values"]]
        self.faults = [fault for reply in replies for fault in reply["faults"]]
        self.waits_s = sorted(wait_s for reply in replies for wait_s in reply["waits_s"])
        self.loads = loads


class Stampede:
    """Four workers of 32 readers each."""

    def __init__(self, folder: Path, redis_url: str = "") -> None:
        self.folder = folder
        self.generations = SqliteGenerations(folder / "generations")
        self._command = [sys.executable, "-m", "tests.doubles.stampede", str(folder), redis_url]
        self._workers: list[subprocess.Popen[str]] = []

    def round(self, manner: str, key: str, *, ttl_s: int = 60) -> Round:
        """Have all readers ask for `key` at once; loads go as `manner` says (see `Loads`)."""
        self._recruit()
        loads = self.folder / "loads"
        for counted in (loads, self.folder / "served"):
            counted.write_text("")
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps({"manner": manner, "key": key, "ttl_s": ttl_s}) + "\n")
            worker.stdin.flush()
        lines = [self._line(worker) for worker in self._workers]
        for worker, line in zip(list(self._workers), lines, strict=True):
            if not line:
                self._dismiss(worker)
        return Round([json.loads(line) for line in lines if line], len(loads.read_text()))

    def end(self) -> None:
        """End the workers."""
        for worker in list(self._workers):
            self._dismiss(worker)

    def _recruit(self) -> None:
        """Have all workers there."""
        new = [
            subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(WORKERS - len(self._workers))
        ]
        self._workers += new
        for worker in new:
            assert self._line(worker) == "ready\n"

    def _dismiss(self, worker: "subprocess.Popen[str]") -> None:
        self._workers.remove(worker)
        worker.kill()
        with worker:  # closes its pipes, and waits for its end
            pass

    @staticmethod
    def _line(worker: "subprocess.Popen[str]") -> str:
        assert worker.stdout is not None
        return worker.stdout.readline()


class Loads:
    """Loads that note themselves where all workers do.

    `slow` takes 0.2 s; `failing` raises after as long; the first one that is `hanging` takes until
    all other readers have been answered, the first one that is `killed` takes its worker with it.
    """

    def __init__(self, folder: Path, manner: str, key: str) -> None:
        self._folder = folder
        self._manner = manner
        self._key = key

    def __call__(self) -> str:
        """Load."""
        with (self._folder / "loads").open("a") as noted:
            noted.write("x")
        is_first = self._is_first()
        if self._manner == "killed" and is_first:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._manner == "hanging" and is_first:
            served = self._folder / "served"
            wait_until(lambda: served.stat().st_size >= WORKERS * READERS - 1, within_s=HANG_S)
        threading.Event().wait(LOAD_S)
        if self._manner == "failing":
            raise LookupError("the loader failed")
        return f"{self._key} loaded"

    def _is_first(self) -> bool:
        try:
            (self._folder / f"first-{self._key}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def main() -> None:
    """Be a worker."""
    folder, redis_url = Path(sys.argv[1]), sys.argv[2]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    changes: dict[str, Any] = {"lease_s": LEASE_S, "wait_s": WAIT_S, "redis_url": redis_url}
    changes |= {"connect_timeout_s": PATIENT_S, "timeout_s": PATIENT_S}
    tier = None
    if redis_url:
        settings = CacheSettings(signing_keys=SIGNING, key_prefix="t", **changes)
        tier = RedisTier(
            Connection(settings),
            settings=settings,
            clock=SYSTEM_CLOCK,
            on_error=lambda *_: None,
            on_back=lambda: None,
        )
        tier.circuit.try_now()
    locks = FileLocks(folder / "locks")
    engine = make_engine(
        SqliteGenerations(folder / "generations"), SYSTEM_CLOCK, tier, locks=[locks], **changes
    )
    print("ready", flush=True)  # noqa: T201 (the program's output)
    for line in sys.stdin:
        print(json.dumps(_round(engine, folder, json.loads(line))), flush=True)  # noqa: T201


def _round(engine: CacheEngine, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    values: list[str] = []
    faults: list[str] = []
    loads = Loads(folder, asked["manner"], asked["key"])

    waits_s: list[float] = []

    def read() -> None:
        call = make_call(loads, resource=asked["key"], ttl_s=asked["ttl_s"])
        began_s = time.monotonic()
        try:
            values.append(engine.read(call).value)
        except LookupError as fault:
            faults.append(str(fault))
        waits_s.append(time.monotonic() - began_s)
        with (folder / "served").open("a") as served:
            served.write("x")

    together([read] * READERS)
    return {"values": values, "faults": faults, "waits_s": waits_s}


if __name__ == "__main__":
    main()
