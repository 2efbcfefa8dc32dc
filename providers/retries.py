"""Which failures are tried again, and after what wait: backoff with full jitter.

https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

Only what failed before its first token ever comes here. A connection that was never made and a
refusal that cost nothing (429, 503, 529) are safe to repeat; another 5xx, or an answer that was
lost on its way, may have been charged: that is the operator's choice.
"""

from dataclasses import dataclass

from providers.protocol import (
    ProviderBroken,
    ProviderCircuitOpen,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)

__all__ = ["RetryPolicy", "may_fall_back"]

BUSY = frozenset({503, 529})
SERVER_ERROR = 500
OUT_OF_QUOTA = "insufficient_quota"
"""OpenAI's 429 for an account without money: waiting brings none."""
ELSEWHERE = frozenset({402, 403, 404, 408, 410})
"""Refusals that say nothing against the request elsewhere: no money there, flagged by what watches
over that model, no such model there, too slow."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently. Times are seconds.

    Attributes:
        retries: how often the same model is tried again.
        first_wait_s: the longest first wait; doubled from retry to retry.
        longest_wait_s: no wait is longer; one that a provider asks for beyond it is not waited.
        patience_s: how long a streamed try may take to its first token.
        repeats_server_errors: whether failures that may have cost something are repeated.
    """

    retries: int = 2
    first_wait_s: float = 0.5
    longest_wait_s: float = 10.0
    patience_s: float = 120.0
    repeats_server_errors: bool = True

    def wait_s(self, retry: int, fault: ProviderError, draw: float) -> float | None:
        """How long to wait before a retry; `None` for no retry.

        Args:
            retry: which one it would be, from 1.
            fault: how the try before it failed.
            draw: a random number from 0 to 1, so that callers do not come back all at once.
        """
        if retry > self.retries or not self._is_safe(fault):
            return None
        if fault.retry_after_s is not None:
            if fault.retry_after_s > self.longest_wait_s:
                return None
            return min(fault.retry_after_s + draw * self.first_wait_s, self.longest_wait_s)
        return draw * min(self.longest_wait_s, self.first_wait_s * 2.0 ** (retry - 1))

    def _is_safe(self, fault: ProviderError) -> bool:
        if not fault.was_sent:
            return fault.retryable and not isinstance(fault, ProviderCircuitOpen)
        if isinstance(fault, ProviderRateLimited):
            return fault.upstream_code != OUT_OF_QUOTA
        if isinstance(fault, ProviderUnavailable | ProviderBroken):
            is_theirs = (fault.status or SERVER_ERROR) >= SERVER_ERROR
            return fault.status in BUSY or (self.repeats_server_errors and is_theirs)
        return False


def may_fall_back(fault: ProviderError) -> bool:
    """Whether another model may have what this one failed to give.

    A request that a provider found at fault is so with every model; all else is worth a try
    elsewhere, and so is what could not even be said in a provider's format.
    """
    is_theirs = isinstance(fault, ProviderRejected) and fault.was_sent
    return not is_theirs or fault.status in ELSEWHERE
