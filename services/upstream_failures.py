"""A failed answer as clients see it: before the first token an error, after it an event."""

from typing import Any, NoReturn

from providers.protocol import ProviderError, ProviderRejected
from services.errors import UpstreamFailed

__all__ = ["http_status", "problem_of", "raise_upstream", "title_of"]

STATUS = {
    "provider_timeout": 504,
    "provider_circuit_open": 503,
    "provider_rate_limited": 429,
    "provider_rejected": 400,
    "server_shutdown": 503,
    "internal_error": 500,
}
BAD_GATEWAY = 502
TITLES = {
    "answer_too_large": "Answer too large",
    "server_shutdown": "Server shutting down",
    "internal_error": "Internal error",
    "producer_lost": "Producer lost",
}
"""Of failures that are not the provider's."""


def http_status(code: str) -> int:
    """How a failure of an answer looks from outside; a provider's 401 is our wrong key."""
    return STATUS.get(code, BAD_GATEWAY)


def title_of(code: str) -> str:
    """What failed, in a few words."""
    return TITLES.get(code, "The model's provider failed")


def problem_of(fault: ProviderError) -> dict[str, Any]:
    """A failure in mid-stream as the problem object of the `error` event."""
    return {
        "type": f"urn:larder:problem:{fault.code}",
        "title": title_of(fault.code),
        "status": http_status(fault.code),
        "detail": fault.message,
        "code": fault.code,
        "retryable": fault.retryable,
    }


def raise_upstream(fault: ProviderError) -> NoReturn:
    """A provider's failure as the error that clients see.

    Raises:
        UpstreamFailed: always.
    """
    is_refusal = isinstance(fault, ProviderRejected)  # others tell of our account
    raise UpstreamFailed(
        fault.message,
        code=fault.code,
        retryable=fault.retryable,
        status=fault.status,
        retry_after_s=fault.retry_after_s,
        param=fault.param,
        upstream_code=fault.upstream_code if is_refusal else None,
    ) from fault
