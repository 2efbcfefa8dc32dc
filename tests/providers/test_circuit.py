"""A provider's circuit: opens on failures in a row, lets one probe through, closes on success."""

from datetime import timedelta

import pytest

from providers import protocol
from providers.circuit import Circuit, CircuitPolicy, CircuitState
from providers.protocol import ProviderUnavailable
from tests.doubles.fake_clock import FakeClock

DOWN = ProviderUnavailable("down", status=500)


@pytest.fixture
def changes():
    """What the circuit said of itself."""
    return []


@pytest.fixture
def circuit(clock: FakeClock, changes):
    """One that opens at the third failure, for ten seconds."""
    policy = CircuitPolicy(failures=3, pause_s=10.0)
    return Circuit("acme", policy, clock, lambda *told: changes.append(told))


def _fail(circuit, times=1, fault=DOWN):
    for _ in range(times):
        circuit.leave(fault, is_probe=circuit.enter())


def _opened(circuit):
    _fail(circuit, 3)
    return circuit


def test_it_opens_at_the_failures_in_a_row(circuit, clock, changes):
    """And says since when, until when and why."""
    _fail(circuit, 2)
    before = circuit.state

    _fail(circuit)

    now = clock.now()
    assert before == CircuitState()
    assert circuit.state == CircuitState(
        "open", now, now + timedelta(seconds=10), "provider_unavailable"
    )
    assert changes == [("acme", True)]


def test_an_open_one_answers_at_once_and_says_when_to_come_back(circuit, clock):
    """That is its use: nobody waits for a provider that is away."""
    _opened(circuit)
    clock.advance(4)

    with pytest.raises(protocol.ProviderCircuitOpen) as refused:
        circuit.enter()

    assert refused.value.retry_after_s == 6.0
    assert refused.value.was_sent is False


@pytest.mark.parametrize(
    "fault",
    [
        None,
        protocol.ProviderRejected("400", status=400),
        protocol.ProviderRateLimited("429", status=429),
        protocol.ProviderAuthFailed("401", status=401),
        protocol.ProviderMalformed("html"),
        ProviderUnavailable("302", status=302),
    ],
)
def test_a_refusal_is_a_sign_of_life_like_an_answer(circuit, fault):
    """A provider that says no is there: only failures in a row count."""
    _fail(circuit, 2)
    _fail(circuit, 1, fault)
    _fail(circuit, 2)

    assert circuit.state.state == "closed"


@pytest.mark.parametrize(
    "fault",
    [
        protocol.ProviderTimeout("t"),
        protocol.ProviderBroken("b"),
        ProviderUnavailable("no connection", was_sent=False),
    ],
)
def test_what_speaks_against_its_health_opens_it(circuit, fault):
    """No connection, a 5xx, a time-out, an answer that broke off before its first word."""
    _fail(circuit, 3, fault)

    assert circuit.state.state == "open"


def test_after_its_pause_one_probe_goes_through_and_no_second(circuit, clock):
    """The provider is not met by all that waited."""
    _opened(circuit)
    clock.advance(10)
    state = circuit.state.state

    is_probe = circuit.enter()

    assert (state, is_probe) == ("half_open", True)
    with pytest.raises(protocol.ProviderCircuitOpen):
        circuit.enter()


def test_a_probe_that_succeeds_closes_it(circuit, clock, changes):
    """And all goes on as if nothing had been, failures counted anew."""
    _opened(circuit)
    clock.advance(10)

    circuit.leave(None, is_probe=circuit.enter())
    _fail(circuit, 2)

    assert circuit.state == CircuitState()
    assert circuit.enter() is False
    assert changes == [("acme", True), ("acme", False)]


def test_each_probe_that_fails_doubles_the_pause_up_to_eight_times(circuit, clock):
    """A provider that is long away is asked seldom, but asked."""
    _opened(circuit)
    pauses = []
    for pause_s in (10, 20, 40, 80, 80):
        clock.advance(pause_s)
        _fail(circuit)
        pauses.append((circuit.state.retry_at - clock.now()).total_seconds())

    assert pauses == [20, 40, 80, 80, 80]


def test_it_keeps_when_it_opened_first(circuit, clock):
    """An outage has one beginning, however many probes it outlives."""
    began_at = _opened(circuit).state.opened_at
    clock.advance(10)

    _fail(circuit)

    assert circuit.state.opened_at == began_at


def test_calls_that_were_under_way_when_it_opened_do_not_prolong_it(circuit, clock):
    """A hundred that fail together are one outage."""
    late = [circuit.enter() for _ in range(5)]
    _opened(circuit)
    until = circuit.state.retry_at
    clock.advance(1)

    for each in late:
        circuit.leave(DOWN, is_probe=each)

    assert circuit.state.retry_at == until


def test_a_probe_that_was_stopped_leaves_its_place_to_the_next(circuit, clock):
    """Its caller hung up: that says nothing of the provider."""
    _opened(circuit)
    clock.advance(10)
    circuit.give_up(is_probe=circuit.enter())

    assert circuit.enter() is True


def test_what_was_refused_before_it_was_sent_says_nothing(circuit, clock):
    """Neither for nor against the provider."""
    _opened(circuit)
    clock.advance(10)

    _fail(circuit, 1, protocol.ProviderRejected("cannot be said", was_sent=False))

    assert circuit.state.state == "half_open"


def test_a_probe_that_never_comes_back_does_not_block_for_ever(circuit, clock):
    """After another pause the next may try."""
    _opened(circuit)
    clock.advance(10)
    circuit.enter()
    clock.advance(10)

    assert circuit.enter() is True


def test_with_a_limit_of_zero_it_never_opens(clock):
    """An operator may want none."""
    circuit = Circuit("acme", CircuitPolicy(failures=0), clock)

    _fail(circuit, 50)

    assert circuit.state.state == "closed"
