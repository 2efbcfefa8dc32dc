"""A reload: when old workers are told to go."""

import os
import runpy
import signal
from pathlib import Path
from queue import Queue
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


def _master(count: int, serving: int) -> Any:
    """One of two workers that has `count`; each look at them finds one more that serves."""
    left = [_worker(age) for age in range(count)]
    server = SimpleNamespace(
        WORKERS=dict(enumerate(left)), num_workers=2, SIG_QUEUE=Queue(), left=left
    )
    server.reap_workers = lambda: os.write(left.pop(0).tmp.fileno(), b"1")
    for _ in range(serving):
        server.reap_workers()
    return server


def test_old_workers_are_told_to_go_when_the_new_ones_serve(hooks):
    """A reload: until then they answer, and nobody waits for a start."""
    server = _master(4, 2)

    hooks["manage_workers"](server, lambda: server.left.append("managed"))

    assert server.left == ["managed"]


def test_an_end_does_not_wait_for_new_workers(hooks):
    """Whoever reloads and thinks better of it."""
    server = _master(4, 3)
    server.SIG_QUEUE.put(signal.SIGTERM)

    hooks["manage_workers"](server, lambda: server.left.append("managed"))

    assert server.left[1:] == ["managed"]


def test_workers_that_are_missing_are_made_at_once(hooks):
    """Those that are there need not serve for it."""
    server = _master(1, 0)

    hooks["manage_workers"](server, lambda: server.left.append("managed"))

    assert server.left[1:] == ["managed"]


def test_workers_that_change_their_state_end_no_wait(hooks):
    """The old ones may die, or be stopped, while the new ones start."""
    server = _master(4, 2)
    server.SIG_QUEUE.put(signal.SIGCHLD)

    hooks["manage_workers"](server, lambda: server.left.append("managed"))

    assert server.left == ["managed"]
