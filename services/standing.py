"""Where a key stands with one of its limits, as clients are told in headers."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["KINDS", "Standing"]

KINDS = ("requests", "tokens")


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit of a minute.

    Attributes:
        kind: `requests` or `tokens`.
        limit: how many a minute.
        remaining: how many may pass just now.
        reset_s: seconds until all of them may again.
        reset_at: when that is.
    """

    kind: str
    limit: int
    remaining: int
    reset_s: float
    reset_at: datetime
