"""What can go wrong with Redis, by what it means: away, or only one command refused; and why."""

import ssl

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    MaxConnectionsError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

__all__ = [
    "FAULTS",
    "SlowAnswers",
    "detail_of",
    "is_away",
    "is_elsewhere",
    "is_of_another_type",
    "reason_of",
]

NONSENSE = (TypeError, ValueError, LookupError, AttributeError)
"""What redis-py's parsers, and ours, make of an answer that is none to the command."""
FAULTS = (RedisError, RedisClusterException, OSError, *NONSENSE)  # the second is no RedisError
DETAIL_CHARACTERS = 200
REFUSING_ALL = (
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    AuthenticationError,
)
ELSEWHERE = (ReadOnlyError, ClusterDownError, MasterDownError)
WORDS = {
    "MISCONF": "CannotSave",
    "NOREPLICAS": "NotEnoughReplicas",
    "BUSY ": "BusyScript",
}
"""Refusals of every write or command that redis-py has no class for, by how they begin."""


class SlowAnswers(Exception):
    """Redis answers, but asking it takes longer than doing without."""


def is_away(fault: BaseException) -> bool:
    """Whether `fault` shows that Redis cannot be used at all, not just for one command."""
    if isinstance(fault, MaxConnectionsError):  # our own pool's limit
        return False
    return (
        isinstance(fault, REFUSING_ALL)
        or not isinstance(fault, ResponseError)
        or _word(fault) != ""
    )


def is_elsewhere(fault: BaseException) -> bool:
    """Whether `fault` shows that another server has the part of the one that was asked."""
    return isinstance(fault, ELSEWHERE)


def is_of_another_type(fault: BaseException) -> bool:
    """Whether `fault` shows that no string stands at a key: nothing of ours."""
    return str(fault).startswith("WRONGTYPE")


def reason_of(fault: BaseException) -> str:
    """One word for why Redis is away."""
    causes = _causes(fault)
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return "CertificateRefused"
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "TlsRefused"
    if isinstance(fault, NONSENSE):
        return InvalidResponse.__name__
    return _word(fault) or type(fault).__name__


def detail_of(fault: BaseException) -> str:
    """What was said, in short; neither redis-py nor Redis names a secret in it."""
    return str(fault)[:DETAIL_CHARACTERS]


def _word(fault: BaseException) -> str:
    said = str(fault)
    return next((word for start, word in WORDS.items() if said.startswith(start)), "")


def _causes(fault: BaseException) -> list[BaseException]:
    """`fault` and what led to it."""
    found: list[BaseException] = []
    each: BaseException | None = fault
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or each.__context__
    return found
