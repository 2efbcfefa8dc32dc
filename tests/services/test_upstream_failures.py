"""What clients see of a provider's failure."""

import pytest

from providers.protocol import ProviderBroken, ProviderRateLimited, ProviderRejected
from services import upstream_failures
from services.errors import UpstreamFailed
from streams.errors import AnswerTooLarge, InternalFailure, ProducerLost, ServerShutdown


def test_a_failure_in_mid_stream_is_a_problem_object():
    """What the `error` event holds."""
    assert upstream_failures.problem_of(ProviderBroken("It broke off.")) == {
        "type": "urn:larder:problem:provider_broken",
        "title": "The model's provider failed",
        "status": 502,
        "detail": "It broke off.",
        "code": "provider_broken",
        "retryable": True,
    }


@pytest.mark.parametrize(
    ("fault", "title", "status"),
    [
        (AnswerTooLarge(), "Answer too large", 502),
        (ServerShutdown(), "Server shutting down", 503),
        (InternalFailure(), "Internal error", 500),
        (ProducerLost(), "Producer lost", 502),
    ],
)
def test_what_is_not_the_providers_fault_is_not_said_to_be(fault, title, status):
    """People look where the title points."""
    told = upstream_failures.problem_of(fault)

    assert (told["title"], told["status"]) == (title, status)


def test_a_failure_before_it_keeps_what_the_caller_needs():
    """Nothing of the provider's error is lost on the way to the edge."""
    fault = ProviderRejected("Too hot.", status=400, param="temperature", upstream_code="hot")

    with pytest.raises(UpstreamFailed) as raised:
        upstream_failures.raise_upstream(fault)

    assert (raised.value.detail, raised.value.code) == ("Too hot.", "provider_rejected")
    assert (raised.value.status, raised.value.param) == (400, "temperature")
    assert raised.value.upstream_code == "hot"
    assert raised.value.retryable is False
    assert raised.value.__cause__ is fault
    with pytest.raises(UpstreamFailed) as raised:
        upstream_failures.raise_upstream(ProviderRateLimited("Slow.", retry_after_s=7.0))
    assert (raised.value.retry_after_s, raised.value.retryable) == (7.0, True)


def test_a_failure_before_it_says_nothing_of_our_account():
    """That it is out of money is for its owner."""
    fault = ProviderRateLimited("Slow.", upstream_code="insufficient_quota")

    with pytest.raises(UpstreamFailed) as raised:
        upstream_failures.raise_upstream(fault)

    assert raised.value.upstream_code is None
