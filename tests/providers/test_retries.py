"""Which failures are tried again, and after what wait."""

import pytest

from providers import protocol
from providers.protocol import ProviderUnavailable
from providers.retries import RetryPolicy, may_fall_back

POLICY = RetryPolicy(retries=3, first_wait_s=1.0, longest_wait_s=8.0)
NEVER_SENT = ProviderUnavailable("no connection", was_sent=False)


@pytest.mark.parametrize(
    ("retry", "draw", "wait_s"),
    [(1, 0.0, 0.0), (1, 1.0, 1.0), (2, 1.0, 2.0), (3, 0.5, 2.0), (3, 1.0, 4.0), (4, 0.0, None)],
)
def test_waits_are_drawn_below_a_bound_that_doubles(retry, draw, wait_s):
    """Full jitter: callers that failed together do not come back together."""
    assert POLICY.wait_s(retry, NEVER_SENT, draw) == wait_s


def test_no_wait_is_longer_than_the_longest():
    """However often it was doubled, at whatever number of retries."""
    assert RetryPolicy(retries=2000, longest_wait_s=8.0).wait_s(900, NEVER_SENT, 1.0) == 8.0


@pytest.mark.parametrize(
    ("after_s", "draw", "wait_s"),
    [(3.0, 0.0, 3.0), (3.0, 1.0, 4.0), (0.0, 0.5, 0.5), (8.0, 1.0, 8.0), (8.1, 0.0, None)],
)
def test_what_the_provider_asks_for_is_waited_up_to_the_bound(after_s, draw, wait_s):
    """Never less than asked; where it is too long the caller is told instead."""
    fault = protocol.ProviderRateLimited("slow", status=429, retry_after_s=after_s)

    assert POLICY.wait_s(1, fault, draw) == wait_s


@pytest.mark.parametrize(
    ("fault", "always", "if_wanted"),
    [
        (NEVER_SENT, True, True),
        (protocol.ProviderTimeout("connect", was_sent=False), True, True),
        (protocol.ProviderRateLimited("429", status=429), True, True),
        (ProviderUnavailable("503", status=503), True, True),
        (ProviderUnavailable("529", status=529), True, True),
        (ProviderUnavailable("500", status=500), False, True),
        (ProviderUnavailable("lost on the way"), False, True),
        (protocol.ProviderBroken("no token"), False, True),
        (protocol.ProviderRateLimited("q", upstream_code="insufficient_quota"), False, False),
        (ProviderUnavailable("302", status=302), False, False),
        (protocol.ProviderTimeout("no token"), False, False),
        (protocol.ProviderMalformed("html"), False, False),
        (protocol.ProviderAuthFailed("401", status=401), False, False),
        (protocol.ProviderAuthFailed("secret", was_sent=False), False, False),
        (protocol.ProviderRejected("400", status=400), False, False),
        (protocol.ProviderCircuitOpen("open", was_sent=False), False, False),
    ],
)
def test_only_what_is_safe_is_repeated(fault, always, if_wanted):
    """What may have been charged is repeated only where the operator wants it."""
    careful = RetryPolicy(repeats_server_errors=False)

    assert (careful.wait_s(1, fault, 0.5) is not None) is always
    assert (RetryPolicy().wait_s(1, fault, 0.5) is not None) is if_wanted


@pytest.mark.parametrize(
    ("fault", "may"),
    [
        (protocol.ProviderTimeout("t"), True),
        (protocol.ProviderRateLimited("429"), True),
        (protocol.ProviderAuthFailed("401", status=401), True),
        (protocol.ProviderMalformed("html"), True),
        (protocol.ProviderCircuitOpen("open", was_sent=False), True),
        (protocol.ProviderRejected("no such model", status=404), True),
        (protocol.ProviderRejected("no money", status=402), True),
        (protocol.ProviderRejected("flagged", status=403), True),
        (protocol.ProviderRejected("bad request", status=400), False),
        (protocol.ProviderRejected("too large", status=413), False),
        (protocol.ProviderRejected("cannot be said there", was_sent=False), True),
    ],
)
def test_a_request_that_is_at_fault_is_not_taken_elsewhere(fault, may):
    """It would be refused there too; all else is worth a try."""
    assert may_fall_back(fault) is may
