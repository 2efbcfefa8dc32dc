"""Prometheus' counters, exact over all workers of a machine; whoever counts makes them from here.

With `PROMETHEUS_MULTIPROC_DIR` set they stand in mapped files of that folder. The files are a
slot's and no process's: a worker takes the first slot that no living one holds, and counts on where
an ended one left off. So there are as many files as there were workers at once, and no count is
ever moved: whenever a worker is killed, none is lost or doubled.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

__all__ = [
    "CollectorRegistry",
    "Counter",
    "Gauge",
    "Histogram",
    "generate_latest",
    "shared_folder",
    "shared_registry",
]


def shared_folder() -> Path | None:
    """Where this machine's workers count; `None` if this process counts for itself."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def shared_registry(folder: Path) -> CollectorRegistry:
    """What all workers have counted in `folder`."""
    registry = CollectorRegistry()
    registry.register(_Shared(folder))
    return registry


class _Slot:
    """The name of this process's slot, which the library asks for at every count.

    The slot is held by a lock on a file, which the kernel frees when the process ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._name = ""
        os.register_at_fork(after_in_child=self._leave)

    def __call__(self) -> str:
        if self._file is None:
            self._take()
        return self._name

    def _take(self) -> None:
        for number in count():
            path = self._folder / f"slot-{number}.lock"
            if path.stem == self._name:
                continue  # a parent's: the library would not see that it counted after the fork
            file = _locked(path)
            if file is not None:
                break
        _drop_live_gauges(path)
        self._file, self._name = file, path.stem

    def _leave(self) -> None:
        """In a fork: the slot is its parent's, and free once that ends, whatever the fork does."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


class _Shared(Collector):
    """Reads the files of all slots."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        for path in self._folder.glob("slot-*.lock"):
            file = _locked(path)
            if file is not None:  # its worker has ended
                _drop_live_gauges(path)
                os.close(file)
        merged: Iterable[Metric] = MultiProcessCollector.merge(list(self._files()))  # type: ignore[no-untyped-call]
        return merged

    def _files(self) -> Iterator[str]:
        for path in self._folder.glob("*_slot-*.db"):
            with suppress(FileNotFoundError):  # a live gauge that was just dropped
                if path.stat().st_size:  # else its worker is about to fill it, or was killed then
                    yield str(path)


def _drop_live_gauges(slot: Path) -> None:
    """Forget what the last holder of a slot said of itself; the caller has locked the slot."""
    mark_process_dead(slot.stem, str(slot.parent))  # type: ignore[no-untyped-call]


def _locked(path: Path) -> int | None:
    """The file, open and locked until it is closed; `None` if somebody else has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(file)
        if isinstance(fault, BlockingIOError):
            return None
        raise
    return file


_folder = shared_folder()
if _folder is not None:  # the library too decides when it is imported
    values.ValueClass = values.MultiProcessValue(_Slot(_folder))  # type: ignore[no-untyped-call]
