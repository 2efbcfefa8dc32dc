"""One call over all its tries, before the first token and never after it."""

import threading
from functools import partial

import pytest

from providers import protocol
from providers.attempts import Attempts, Candidate, Reached
from providers.circuit import Circuit, CircuitPolicy
from providers.protocol import SILENCE, ChatRequest, Chunk, ProviderUnavailable, Usage
from providers.retries import RetryPolicy
from telemetry.clock import SYSTEM_CLOCK

BUSY = ProviderUnavailable("busy", status=503)
AWAY = ProviderUnavailable("away", was_sent=False)
SLOW = protocol.ProviderTimeout("slow")
BAD = protocol.ProviderRejected("bad", status=400)
ROLE, WORD, END = Chunk(), Chunk(text="word"), Chunk(finish_reason="stop")


class _Scripted:
    """A provider whose calls go one after the other as they are written down.

    A call is an error that refuses it, or a list of chunks, functions to be run, and errors.
    """

    def __init__(self, *calls):
        self.on_ask = lambda: None
        self.calls = list(calls)
        self.asked = []
        self.closed = 0

    def stream(self, request):
        self.asked.append(request)
        self.on_ask()
        call = self.calls.pop(0)
        if isinstance(call, Exception):
            raise call
        return _Stream(self, call)

    def list_models(self):
        return []


class _Stream:
    def __init__(self, provider, steps):
        self._provider = provider
        self._chunks = self._run(steps)

    def __iter__(self):
        return self._chunks

    def __next__(self):
        return next(self._chunks)

    def close(self):
        self._provider.closed += 1

    def _run(self, steps):
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Chunk):
                yield step
            else:
                step()


def _itself(reached):
    return reached


class _Watcher:
    def __init__(self):
        self.told = []

    def failed(self, failed, next_place):
        self.told.append((failed.place, failed.fault, failed.usage, next_place))


class _Silent:
    """A provider that answers nothing until one hangs up."""

    def __init__(self):
        self.asked, self.hung_up = threading.Event(), threading.Event()

    def stream(self, request):
        request.on_wait(self.hung_up.set)
        self.asked.set()
        assert self.hung_up.wait(20)
        request.on_wait(None)
        raise protocol.ProviderLost("lost")

    def list_models(self):
        return []


@pytest.fixture
def watcher():
    """Who is told of failed tries."""
    return _Watcher()


@pytest.fixture
def tried(clock, watcher):
    """The attempts over some providers; two retries, all waits as long as they may be."""

    def trying(
        *providers, deadline_s=60.0, retries=2, with_clock=clock, circuits=None, stream=True
    ):
        circuits = circuits or [Circuit("p", CircuitPolicy(), clock) for _ in providers]
        reached = [Reached(*each) for each in zip(providers, circuits, strict=True)]
        return Attempts(
            [
                Candidate(partial(_itself, each), ChatRequest(f"m{place}", {}, stream=stream))
                for place, each in enumerate(reached)
            ],
            policy=RetryPolicy(retries=retries, first_wait_s=1.0, patience_s=10.0),
            clock=with_clock,
            draw=lambda: 1.0,
            deadline_s=with_clock.monotonic() + deadline_s,
            watcher=watcher,
        )

    return trying


def test_nothing_is_asked_before_the_first_chunk_is_wanted(tried):
    """A call may be planned and dropped."""
    provider = _Scripted([WORD, END])
    attempts = tried(provider)

    before = len(provider.asked)
    chunks = list(attempts)

    assert (before, len(provider.asked)) == (0, 1)
    assert chunks == [WORD, END]


def test_a_busy_provider_is_asked_again_after_growing_waits(tried, clock, watcher):
    """The caller sees an answer, not the hiccup."""
    provider = _Scripted(BUSY, BUSY, [WORD, END])
    began_s = clock.monotonic()

    chunks = list(tried(provider))

    assert chunks == [WORD, END]
    assert clock.monotonic() - began_s == 1.0 + 2.0
    assert watcher.told == [(0, BUSY, None, 0)] * 2


def test_after_its_retries_the_failure_is_the_callers(tried, watcher):
    """With the last try's own words; the watcher hears that this was all."""
    provider = _Scripted(BUSY, BUSY, AWAY)

    with pytest.raises(ProviderUnavailable) as caught:
        list(tried(provider))

    assert caught.value is AWAY
    assert watcher.told[-1] == (0, AWAY, None, None)


def test_no_wait_goes_beyond_the_deadline(tried, clock):
    """Better a failure now than one that comes later anyway."""
    provider = _Scripted(BUSY, BUSY, [WORD])
    began_s = clock.monotonic()

    with pytest.raises(ProviderUnavailable):
        list(tried(provider, deadline_s=2.5))

    assert len(provider.asked) == 2
    assert clock.monotonic() - began_s == 1.0


@pytest.mark.parametrize("first", [SLOW, AWAY, protocol.ProviderAuthFailed("401", status=401)])
def test_what_one_fails_the_next_may_give(tried, watcher, first):
    """Each is asked for its own model; the watcher hears who comes next."""
    one, two = _Scripted(*[first] * 3), _Scripted([WORD, END])

    chunks = list(tried(one, two))

    assert chunks == [WORD, END]
    assert two.asked[0].model == "m1"
    assert watcher.told[-1] == (0, first, None, 1)


def test_each_of_a_chain_has_its_own_retries(tried):
    """A hiccup of the second is as likely as one of the first."""
    one, two = _Scripted(BUSY, BUSY, BUSY), _Scripted(BUSY, BUSY, [WORD])

    assert list(tried(one, two)) == [WORD]


def test_a_request_at_fault_goes_nowhere_else(tried):
    """The next would refuse it too, and hide why."""
    one, two = _Scripted(BAD), _Scripted([WORD])

    with pytest.raises(protocol.ProviderRejected):
        list(tried(one, two))

    assert two.asked == []


def test_a_try_that_fails_before_its_first_word_leaves_no_trace(tried, watcher):
    """Its role and its count of the prompt are held back, and booked, not sent."""
    counted = Chunk(prompt_usage=Usage(7, 0))
    one, two = _Scripted([counted, ROLE, SLOW]), _Scripted([ROLE, WORD, END])

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
    one, two = _Scripted([said, BUSY]), _Scripted([WORD])
    attempts = tried(one, two)

    assert next(attempts) == said
    with pytest.raises(ProviderUnavailable):
        next(attempts)
    assert (len(one.asked), len(two.asked)) == (1, 0)


def test_an_answer_without_a_word_is_an_answer(tried):
    """A model may have nothing to say."""
    assert list(tried(_Scripted([ROLE]))) == [ROLE]


def test_a_silent_while_before_the_first_word_is_none_of_the_answer(tried):
    """Nobody has been told anything yet, so there is nobody to be given a sign of life."""
    chunks = list(tried(_Scripted([ROLE, SILENCE, WORD, SILENCE, END])))

    assert [chunk is SILENCE for chunk in chunks] == [False, False, True, False]


def test_what_is_held_back_is_bounded(tried):
    """A provider that only ever opens its mouth must not fill the memory."""
    provider = _Scripted([ROLE] * 5000)
    attempts = tried(provider)

    next(attempts)

    assert len(attempts._held) <= 256  # noqa: SLF001 (the bound is the point)


def test_a_stop_ends_a_wait_between_two_tries(tried):
    """And no further call is made that nobody wants to pay for."""
    provider = _Scripted(protocol.ProviderRateLimited("429", retry_after_s=9.0), [WORD])
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
    provider = _Scripted([WORD])
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
    provider = _Scripted([ROLE, WORD])
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
    attempts = tried(provider := _Scripted([WORD, WORD]))
    next(attempts)

    attempts.close()

    assert provider.closed == 1


def test_a_provider_whose_circuit_is_open_is_passed_over(tried, clock, watcher):
    """At once, without a wait, and without a try that would be booked."""
    circuits = [Circuit("p", CircuitPolicy(failures=1), clock) for _ in range(2)]
    circuits[0].leave(BUSY, is_probe=False)
    one, two = _Scripted([WORD]), _Scripted([WORD])
    began_s = clock.monotonic()

    chunks = list(tried(one, two, circuits=circuits))

    assert chunks == [WORD]
    assert (len(one.asked), len(two.asked)) == (0, 1)
    assert clock.monotonic() == began_s
    assert watcher.told[0][1].was_sent is False


def test_the_circuit_hears_of_each_try(tried, clock):
    """Also of failures after the provider had accepted; an answer closes it."""
    circuit = Circuit("p", CircuitPolicy(failures=3), clock)
    provider = _Scripted(BUSY, [ROLE, BUSY], BUSY)
    with pytest.raises(ProviderUnavailable):
        list(tried(provider, circuits=[circuit]))
    opened = circuit.state.state
    clock.advance(15)

    list(tried(_Scripted([WORD]), circuits=[circuit]))

    assert (opened, circuit.state.state) == ("open", "closed")


def test_what_is_no_providers_error_is_raised_as_it_is(tried, clock):
    """A fault of ours says nothing of the provider's health."""
    circuit = Circuit("p", CircuitPolicy(failures=1), clock)

    with pytest.raises(ZeroDivisionError):
        list(tried(_Scripted([lambda: 1 / 0]), circuits=[circuit]))

    assert circuit.state.state == "closed"


def test_a_call_is_ended_while_its_provider_is_waited_for(tried, watcher):
    """An answer that is not streamed may be minutes away, and its caller waits for it here."""
    provider = _Silent()
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
    provider = _Silent()
    attempts = tried(provider)
    attempts.close()

    with pytest.raises(protocol.ProviderError):
        list(attempts)

    assert provider.hung_up.is_set()
