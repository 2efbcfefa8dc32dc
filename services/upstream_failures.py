"""A provider's failure as clients see it: before the first token an error, after it an event."""

from typing import Any, NoReturn

from providers.protocol import ProviderError
from services.errors import UpstreamFailed

__all__ = ["problem_of", "raise_upstream"]


def problem_of(fault: ProviderError) -> dict[str, Any]:
    """A failure in mid-stream as the problem object of the `error` event."""
    return {
        "type": f"urn:larder:problem:{fault.code}",
        "title": "The model's provider failed",
        "detail": fault.message,
        "code": fault.code,
        "retryable": fault.retryable,
    }


def raise_upstream(fault: ProviderError) -> NoReturn:
    """A provider's failure as the error that clients see.

    Raises:
        UpstreamFailed: always.
    """
    raise UpstreamFailed(
        fault.message,
        code=fault.code,
        retryable=fault.retryable,
        status=fault.status,
        retry_after_s=fault.retry_after_s,
        param=fault.param,
    ) from fault
