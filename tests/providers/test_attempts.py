"""One call over all its tries, before the first token and never after it."""

import pytest

from providers import protocol
from providers.circuit import Circuit, CircuitPolicy
from providers.protocol import SILENCE, Chunk, ProviderUnavailable, Usage
from tests.providers.scripted import AWAY, BAD, BUSY, END, ROLE, SLOW, WORD, Scripted


def test_nothing_is_asked_before_the_first_chunk_is_wanted(tried):
    """A call may be planned and dropped."""
    provider = Scripted([WORD, END])
    attempts = tried(provider)

    before = len(provider.asked)
    chunks = list(attempts)

    assert (before, len(provider.asked)) == (0, 1)
    assert chunks == [WORD, END]


def test_a_busy_provider_is_asked_again_after_growing_waits(tried, clock, watcher):
    """The caller sees an answer, not the hiccup."""
    provider = Scripted(BUSY, BUSY, [WORD, END])
    began_s = clock.monotonic()

    chunks = list(tried(provider))

    assert chunks == [WORD, END]
    assert clock.monotonic() - began_s == 1.0 + 2.0
    assert watcher.told == [(0, BUSY, None, 0)] * 2


def test_after_its_retries_the_failure_is_the_callers(tried, watcher):
    """With the last try's own words; the watcher hears that this was all."""
    provider = Scripted(BUSY, BUSY, AWAY)

    with pytest.raises(ProviderUnavailable) as caught:
        list(tried(provider))

    assert caught.value is AWAY
    assert watcher.told[-1] == (0, AWAY, None, None)


def test_no_wait_goes_beyond_the_deadline(tried, clock):
    """Better a failure now than one that comes later anyway."""
    provider = Scripted(BUSY, BUSY, [WORD])
    began_s = clock.monotonic()

    with pytest.raises(ProviderUnavailable):
        list(tried(provider, deadline_s=2.5))

    assert len(provider.asked) == 2
    assert clock.monotonic() - began_s == 1.0


@pytest.mark.parametrize("first", [SLOW, AWAY, protocol.ProviderAuthFailed("401", status=401)])
def test_what_one_fails_the_next_may_give(tried, watcher, first):
    """Each is asked for its own model; the watcher hears who comes next."""
    one, two = Scripted(*[first] * 3), Scripted([WORD, END])

    chunks = list(tried(one, two))

    assert chunks == [WORD, END]
    assert two.asked[0].model == "m1"
    assert watcher.told[-1] == (0, first, None, 1)


def test_each_of_a_chain_has_its_own_retries(tried):
    """A hiccup of the second is as likely as one of the first."""
    one, two = Scripted(BUSY, BUSY, BUSY), Scripted(BUSY, BUSY, [WORD])

    assert list(tried(one, two)) == [WORD]


def test_a_request_at_fault_goes_nowhere_else(tried):
    """The next would refuse it too, and hide why."""
    one, two = Scripted(BAD), Scripted([WORD])

    with pytest.raises(protocol.ProviderRejected):
        list(tried(one, two))

    assert two.asked == []


def test_a_try_that_fails_before_its_first_word_leaves_no_trace(tried, watcher):
    """Its role and its count of the prompt are held back, and booked, not sent."""
    counted = Chunk(prompt_usage=Usage(7, 0))
    one, two = Scripted([counted, ROLE, SLOW]), Scripted([ROLE, WORD, END])

    chunks = list(tried(one, two))

    assert chunks == [ROLE, WORD, END]
    assert watcher.told == [(0, SLOW, Usage(7, 0), 1)]
    assert one.closed == 1


@pytest.mark.parametrize(
    "said",
    [
        WORD,
        Chunk(reasoning="hm"),
        Chunk(tool_calls=({"index": 0},)),
    ],
)
def test_after_the_first_word_nothing_is_tried_again(tried, said):
    """Two half answers are not one; what came was paid for."""
    one, two = Scripted([said, BUSY]), Scripted([WORD])
    attempts = tried(one, two)

    assert next(attempts) == said
    with pytest.raises(ProviderUnavailable):
        next(attempts)
    assert (len(one.asked), len(two.asked)) == (1, 0)


def test_an_answer_without_a_word_is_an_answer(tried):
    """A model may have nothing to say."""
    assert list(tried(Scripted([ROLE]))) == [ROLE]


def test_a_silent_while_before_the_first_word_is_none_of_the_answer(tried):
    """Nobody has been told anything yet, so there is nobody to be given a sign of life."""
    chunks = list(tried(Scripted([ROLE, SILENCE, WORD, SILENCE, END])))

    assert [chunk is SILENCE for chunk in chunks] == [False, False, True, False]


def test_what_is_held_back_is_bounded(tried):
    """A provider that only ever opens its mouth must not fill the memory."""
    provider = Scripted([ROLE] * 5000)
    attempts = tried(provider)

    next(attempts)

    assert len(attempts._held) <= 256  # noqa: SLF001 (the bound is the point)


def test_a_provider_whose_circuit_is_open_is_passed_over(tried, clock, watcher):
    """At once, without a wait, and without a try that would be booked."""
    circuits = [Circuit("p", CircuitPolicy(failures=1), clock) for _ in range(2)]
    circuits[0].leave(BUSY, is_probe=False)
    one, two = Scripted([WORD]), Scripted([WORD])
    began_s = clock.monotonic()

    chunks = list(tried(one, two, circuits=circuits))

    assert chunks == [WORD]
    assert (len(one.asked), len(two.asked)) == (0, 1)
    assert clock.monotonic() == began_s
    assert watcher.told[0][1].was_sent is False


def test_the_circuit_hears_of_each_try(tried, clock):
    """Also of failures after the provider had accepted; an answer closes it."""
    circuit = Circuit("p", CircuitPolicy(failures=3), clock)
    provider = Scripted(BUSY, [ROLE, BUSY], BUSY)
    with pytest.raises(ProviderUnavailable):
        list(tried(provider, circuits=[circuit]))
    opened = circuit.state.state
    clock.advance(15)

    list(tried(Scripted([WORD]), circuits=[circuit]))

    assert (opened, circuit.state.state) == ("open", "closed")


def test_what_is_no_providers_error_is_raised_as_it_is(tried, clock):
    """A fault of ours says nothing of the provider's health."""
    circuit = Circuit("p", CircuitPolicy(failures=1), clock)

    with pytest.raises(ZeroDivisionError):
        list(tried(Scripted([lambda: 1 / 0]), circuits=[circuit]))

    assert circuit.state.state == "closed"
