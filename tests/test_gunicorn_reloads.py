"""A reload: when old workers are told to go."""

import os
import runpy
import signal
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[1] / "gunicorn.conf.py"


@pytest.fixture
def hooks() -> dict[str, Any]:
    """The functions that gunicorn calls."""
    return runpy.run_path(str(FILE))


def _worker(age: int) -> Any:
    shared = os.memfd_create("worker")
    return SimpleNamespace(age=age, tmp=SimpleNamespace(fileno=lambda: shared))


class _Master:
    """One of two workers, `old` of them from before a reload; each look finds one more serving."""

    def __init__(self, old: int, new: int, serving: int = 0) -> None:
        self.worker_age = 0
        self.num_workers = 2
        self.WORKERS: dict[int, Any] = {}
        self.SIG_QUEUE = SimpleQueue[int]()
        self.done: list[str] = []
        for _ in range(old):
            self.spawn_worker()
        runpy.run_path(str(FILE))["on_reload"](self)
        for _ in range(new):
            self.spawn_worker()
        self.left = list(self.WORKERS.values())
        for _ in range(serving):
            self.reap_workers()
        self.done.clear()

    def spawn_worker(self) -> None:
        self.worker_age += 1
        self.WORKERS[self.worker_age] = _worker(self.worker_age)
        self.done.append("spawned")

    def reap_workers(self) -> None:
        left = [each for each in self.WORKERS.values() if not _serves(each)]
        os.write(left[0].tmp.fileno(), b"1")
        self.done.append("looked")

    def manage(self) -> None:
        self.done.append("managed")


def _serves(worker: Any) -> bool:
    return os.fstat(worker.tmp.fileno()).st_size > 0


def test_old_workers_are_told_to_go_when_the_new_ones_serve(hooks):
    """A reload: until then they answer, and nobody waits for a start."""
    server = _Master(old=2, new=2, serving=2)

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["looked", "looked", "managed"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_an_end_does_not_wait_for_new_workers(hooks, end):
    """Whoever reloads and thinks better of it."""
    server = _Master(old=2, new=2, serving=2)
    server.SIG_QUEUE.put(signal.SIGCHLD)
    server.SIG_QUEUE.put(end)

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["managed"]
    assert [server.SIG_QUEUE.get_nowait() for _ in range(2)] == [signal.SIGCHLD, end]


def test_workers_that_are_missing_are_made_at_once(hooks):
    """Those that are there need not serve for it."""
    server = _Master(old=0, new=1)

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["managed"]


@pytest.mark.parametrize("number", [signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1])
def test_signals_that_are_no_end_leave_the_old_workers_at_their_work(hooks, number):
    """A second reload, say: the old ones went, and all waited for the new ones' start."""
    server = _Master(old=2, new=2, serving=2)
    server.SIG_QUEUE.put(number)

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["looked", "looked", "managed"]


def test_a_new_worker_that_dies_is_made_again_before_the_old_ones_go(hooks):
    """Else an old one would stay in its place, with what it read before the reload."""
    server = _Master(old=2, new=2, serving=2)
    del server.WORKERS[4]

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["spawned", "looked", "looked", "managed"]


def test_a_worker_more_or_less_is_no_reload(hooks):
    """Nobody is to be followed after SIGTTOU."""
    server = _Master(old=0, new=3)

    hooks["manage_workers"](server, server.manage)

    assert server.done == ["managed"]
