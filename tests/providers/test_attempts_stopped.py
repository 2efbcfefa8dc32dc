"""A call that is stopped, or whose caller has gone, whatever try it is at."""

import threading

import pytest

from providers import protocol
from providers.circuit import Circuit, CircuitPolicy
from telemetry.clock import SYSTEM_CLOCK
from tests.providers.scripted import (
    ROLE,
    WORD,
    Scripted,
    Silent,
)


def test_a_stop_ends_a_wait_between_two_tries(tried):
    """And no further call is made that nobody wants to pay for."""
    provider = Scripted(protocol.ProviderRateLimited("429", retry_after_s=9.0), [WORD])
    attempts = tried(provider, with_clock=SYSTEM_CLOCK)
    failed = threading.Event()

    def read():
        try:
            next(attempts)
        except protocol.ProviderBroken:
            failed.set()

    reader = threading.Thread(target=read)
    reader.start()
    attempts.close()
    reader.join(5)

    assert failed.is_set()
    assert len(provider.asked) <= 1


def test_a_stop_while_the_provider_is_asked_closes_what_it_gives(tried):
    """The stream was not there yet when it was to be closed."""
    provider = Scripted([WORD])
    attempts = tried(provider, retries=0)
    provider.on_ask = attempts.close

    with pytest.raises(protocol.ProviderBroken):
        next(attempts)

    assert provider.closed == 1


@pytest.mark.parametrize(
    ("stream", "waited_s", "state"),
    [
        (True, 1.0, "closed"), (True, 9.5, "open"), (True, 11.0, "open"),
        (False, 11.0, "closed"), (False, 59.0, "open"),
    ],
)  # fmt: skip
def test_a_stop_for_want_of_an_answer_speaks_against_the_provider(
    tried, clock, stream, waited_s, state
):
    """One that only pings is ended from outside, by the engine's limit; whole answers take long."""
    circuit = Circuit("p", CircuitPolicy(failures=1), clock)
    provider = Scripted([ROLE, WORD])
    attempts = tried(provider, circuits=[circuit], stream=stream)

    def stop():
        clock.advance(waited_s)
        attempts.close()

    provider.on_ask = stop

    with pytest.raises(protocol.ProviderBroken):
        next(attempts)

    assert circuit.state.state == state


def test_a_stop_reaches_the_stream_that_runs(tried):
    """From then on the provider's own stream is what is closed."""
    attempts = tried(provider := Scripted([WORD, WORD]))
    next(attempts)

    attempts.close()

    assert provider.closed == 1


def test_a_call_is_ended_while_its_provider_is_waited_for(tried, watcher):
    """An answer that is not streamed may be minutes away, and its caller waits for it here."""
    provider = Silent()
    attempts = tried(provider, with_clock=SYSTEM_CLOCK, stream=False)
    failed: list[Exception] = []

    def read() -> None:
        try:
            list(attempts)
        except protocol.ProviderError as fault:
            failed.append(fault)

    reading = threading.Thread(target=read)
    reading.start()
    assert provider.asked.wait(10)

    attempts.close()
    reading.join(10)

    assert [type(each) for each in failed] == [protocol.ProviderLost]
    assert len(watcher.told) == 1


def test_a_call_that_was_ended_before_it_waits_is_not_waited_for(tried):
    """The stop came while the connection was made."""
    provider = Silent()
    attempts = tried(provider)
    attempts.close()

    with pytest.raises(protocol.ProviderError):
        list(attempts)

    assert provider.hung_up.is_set()
