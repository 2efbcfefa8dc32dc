"""The circuit breaker: the first failure opens it, a probe that succeeds closes it."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta

import pytest

from cache.circuit import KEPT_OUTAGES, LONGEST_PAUSE_S, SETTLED_S, Circuit
from tests.doubles.together import together
from tests.streams.scripts import wait_until

LONG_S = 3600


class Probe:
    """A sign of life that a test switches on and off, and counts."""

    def __init__(self, *, is_alive: bool = True) -> None:
        self.is_alive = is_alive
        self.count = 0
        self.before_answer: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        """Answer, or be away."""
        self.count += 1
        if not self.is_alive:
            raise ConnectionError("away")
        self.before_answer()


@pytest.fixture
def probe():
    """Redis, as the circuit sees it."""
    return Probe()


@pytest.fixture
def new_circuit(probe, clock):
    """Makes circuits and ends their probing."""
    made: list[Circuit] = []

    def make(pause_s: float = LONG_S, on_close=lambda: None) -> Circuit:
        made.append(Circuit(probe=probe, pause_s=pause_s, clock=clock, on_close=on_close))
        return made[-1]

    yield make
    for circuit in made:
        circuit.stop()


def _probing() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "redis-probe"]


@contextmanager
def _no_threads():
    """Whoever starts a thread in here wants more memory for it than there is."""
    before = threading.stack_size(2**46)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_a_new_circuit_is_closed(new_circuit, probe):
    """Redis is believed to be there, and nobody is asked at construction."""
    circuit = new_circuit()

    assert (circuit.is_open, circuit.state, probe.count) == (False, "closed", 0)


def test_the_first_failure_opens_it(new_circuit, clock):
    """A second request does not pay a second time-out; the reason is kept."""
    circuit = new_circuit()

    circuit.fail(TimeoutError("slow"))

    (outage,) = circuit.outages
    assert (circuit.is_open, circuit.state, circuit.opened_count) == (True, "open", 1)
    assert (outage.began_at, outage.reason, outage.ended_at) == (
        clock.now(),
        "TimeoutError",
        None,
    )


def test_failures_while_open_are_one_outage(new_circuit):
    """Requests that were under way all fail; there is still one probe and one outage."""
    circuit = new_circuit()
    before = set(_probing())

    together([lambda: circuit.fail(ConnectionError("refused"))] * 8)

    assert (circuit.opened_count, len(circuit.outages)) == (1, 1)
    assert len(set(_probing()) - before) == 1


def test_an_open_circuit_stays_open_while_probes_fail(new_circuit, probe):
    """Half-open is the probe's alone: no request is spent on finding out."""
    probe.is_alive = False
    circuit = new_circuit(pause_s=0.001)

    circuit.fail(ConnectionError("refused"))
    wait_until(lambda: probe.count >= 3)

    assert circuit.is_open
    assert circuit.outages[-1].ended_at is None


def test_a_probe_that_succeeds_closes_it(new_circuit, probe, clock):
    """Redis coming back needs no restart; how long it was away is known."""
    probe.is_alive = False
    closed: list[bool] = []
    circuit = new_circuit(pause_s=0.001, on_close=lambda: closed.append(True))
    circuit.fail(ConnectionError("refused"))
    wait_until(lambda: probe.count >= 1)
    clock.advance(30)

    probe.is_alive = True
    wait_until(lambda: bool(closed))

    outage = circuit.outages[-1]
    assert (closed, circuit.state) == ([True], "closed")
    assert outage.ended_at is not None
    assert outage.ended_at - outage.began_at == timedelta(seconds=30)


def test_a_closed_circuit_opens_again(new_circuit):
    """Each outage has its own line."""
    circuit = new_circuit()
    circuit.fail(ConnectionError("refused"))
    assert circuit.try_now()

    circuit.fail(TimeoutError("frozen"))

    assert circuit.is_open
    assert [each.reason for each in circuit.outages] == ["ConnectionError", "TimeoutError"]
    assert circuit.opened_count == 2


def test_trying_at_once_finds_redis_away(new_circuit, probe):
    """A start without Redis goes on with memory."""
    probe.is_alive = False
    circuit = new_circuit()

    assert not circuit.try_now()
    assert circuit.is_open


def test_trying_at_once_leaves_a_closed_circuit_as_it_is(new_circuit):
    """Nobody is told that Redis is back when it was never away."""
    closed: list[bool] = []
    circuit = new_circuit(on_close=lambda: closed.append(True))

    assert circuit.try_now()
    assert (closed, list(circuit.outages)) == ([], [])


def test_a_sign_of_life_from_before_a_failure_says_nothing_of_it(new_circuit, probe):
    """Redis dies right after it answered two at once: only a probe made since closes it again."""
    circuit = new_circuit()
    circuit.fail(ConnectionError("refused"))

    def be_overtaken() -> None:
        probe.before_answer = lambda: None
        assert circuit.try_now()
        circuit.fail(ConnectionError("refused"))

    probe.before_answer = be_overtaken
    assert circuit.try_now()

    assert circuit.is_open
    assert [each.ended_at is None for each in circuit.outages] == [False, True]


def test_pauses_between_probes_grow(new_circuit, probe):
    """A Redis that is away for an hour is not asked every second by every worker."""
    probe.is_alive = False
    circuit = new_circuit(pause_s=0.02)
    began_s = time.perf_counter()

    circuit.fail(ConnectionError("refused"))
    wait_until(lambda: probe.count >= 5)

    least_s = 0.8 * 0.02 * sum(1.5**number for number in range(5))
    assert time.perf_counter() - began_s >= least_s


def test_pauses_stop_growing(new_circuit):
    """However long Redis was away, its return is noticed within seconds."""
    circuit = new_circuit(pause_s=LONGEST_PAUSE_S * 0.9)

    circuit.fail(ConnectionError("refused"))
    wait_until(lambda: circuit.next_pause_s > LONGEST_PAUSE_S * 0.9)

    assert circuit.next_pause_s == LONGEST_PAUSE_S


def test_a_redis_that_fails_at_once_again_is_tried_less_often(new_circuit):
    """Passing the probe is not enough, and each relapse costs a request a time-out."""
    circuit = new_circuit(pause_s=0.01)

    for _ in range(5):
        circuit.fail(TimeoutError("frozen"))
        wait_until(lambda: not circuit.is_open)

    assert circuit.next_pause_s >= 0.01 * 1.5**5


def test_a_redis_that_stayed_is_trusted_again(new_circuit, clock):
    """The next outage is probed as soon as the first was."""
    circuit = new_circuit(pause_s=0.01)
    for _ in range(5):
        circuit.fail(TimeoutError("frozen"))
        wait_until(lambda: not circuit.is_open)
    clock.advance(SETTLED_S + 1)

    circuit.fail(TimeoutError("frozen"))
    wait_until(lambda: not circuit.is_open)

    assert circuit.next_pause_s == pytest.approx(0.01 * 1.5)


def test_probes_do_not_multiply(new_circuit, probe, clock):
    """A hundred outages later there is one probe when Redis is away, and none when it is not."""
    circuit = new_circuit(pause_s=0.0005)
    before = set(_probing())
    for _ in range(100):
        circuit.fail(ConnectionError("refused"))
        circuit.try_now()
        clock.advance(SETTLED_S + 1)  # else its pauses would grow
    probe.is_alive = False
    circuit.fail(ConnectionError("refused"))

    wait_until(lambda: len(set(_probing()) - before) == 1)
    probe.is_alive = True
    wait_until(lambda: not set(_probing()) - before)

    assert not circuit.is_open


def test_an_outage_says_what_was_said(new_circuit):
    """The word is for a table, the sentence for whoever has to mend it."""
    circuit = new_circuit()

    circuit.fail(ConnectionError("Error 111 connecting to cache:6379. " + "x" * 500))

    (outage,) = circuit.outages
    assert outage.detail.startswith("Error 111 connecting to cache:6379. ")
    assert len(outage.detail) == 200


def test_stopping_ends_the_probing(new_circuit, probe):
    """A worker that ends does not wait for the next probe."""
    circuit = new_circuit(pause_s=LONG_S)
    before = set(_probing())
    circuit.fail(ConnectionError("refused"))
    (thread,) = set(_probing()) - before

    circuit.stop()
    thread.join(5)

    assert not thread.is_alive()
    assert probe.count == 0


def test_a_stopped_circuit_starts_no_probing(new_circuit):
    """Connections that are closed at the end of a worker look like failures."""
    circuit = new_circuit()
    circuit.stop()

    circuit.fail(ConnectionError("closed"))

    assert not circuit.is_open


def test_without_a_thread_to_probe_it_stays_closed(new_circuit):
    """Nobody would close it again; no error reaches the request, and the next failure opens it."""
    circuit = new_circuit(pause_s=0.001)

    with _no_threads():
        circuit.fail(ConnectionError("refused"))
        unprobed = (circuit.is_open, circuit.opened_count, len(circuit.outages))
    circuit.fail(ConnectionError("refused"))

    assert unprobed == (False, 0, 0)
    assert (circuit.opened_count, len(circuit.outages)) == (1, 1)
    wait_until(lambda: not circuit.is_open)


def test_outages_kept_are_bounded(new_circuit):
    """A Redis that comes and goes for a year does not fill the memory."""
    circuit = new_circuit()
    for _ in range(KEPT_OUTAGES + 5):
        circuit.fail(ConnectionError("refused"))
        circuit.try_now()

    assert len(circuit.outages) == KEPT_OUTAGES
    assert circuit.opened_count == KEPT_OUTAGES + 5
