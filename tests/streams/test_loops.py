"""Threads that come and go with the work."""

import threading

from streams.loops import BackgroundLoop
from tests.streams.scripts import wait_until


def test_a_loop_begins_with_the_work_and_ends_after_it():
    """No thread before a fork, none while a worker is idle."""
    work = [1, 2, 3]

    def step() -> bool:
        return bool(work and work.pop())

    loop = BackgroundLoop("test-loop", step, linger_s=0.01)
    assert not loop.is_running

    loop.wake()

    wait_until(lambda: not loop.is_running)
    assert work == []


def test_a_loop_that_ended_begins_again():
    """Idle times are no end."""
    steps: list[int] = []

    def step() -> bool:
        steps.append(1)
        return False

    loop = BackgroundLoop("test-loop", step, linger_s=0.01)
    loop.wake()
    wait_until(lambda: not loop.is_running)
    count = len(steps)

    loop.wake()

    wait_until(lambda: len(steps) > count)


def test_a_step_that_fails_does_not_end_the_loop():
    """The streams that run need it all the same."""
    calls: list[int] = []

    def step() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return False

    loop = BackgroundLoop("test-loop", step, linger_s=0.01)

    loop.wake()

    wait_until(lambda: len(calls) > 1)


def test_waking_ends_a_pause():
    """What comes in is seen to at once."""
    done = threading.Event()
    paused = threading.Event()

    def step() -> bool:
        if not paused.is_set():
            paused.set()
            loop.pause(60)
            done.set()
        return False

    loop = BackgroundLoop("test-loop", step, linger_s=0.01)
    loop.wake()
    paused.wait(5)

    loop.wake()

    assert done.wait(5)


def test_waking_does_not_end_a_rest():
    """A hundred streams that begin at once are a hundred wakes, and one round."""
    rounds: list[int] = []

    def step() -> bool:
        rounds.append(len(rounds))
        loop.rest(0.05)
        return len(rounds) < 3

    loop = BackgroundLoop("test-loop", step, linger_s=0.01)

    for _ in range(100):
        loop.wake()

    wait_until(lambda: not loop.is_running)
    assert len(rounds) < 10
