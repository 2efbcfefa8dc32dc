"""What a cached read gives back: the finished body with its ETag, and where it came from."""

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

__all__ = [
    "CachedResult",
    "Outcome",
    "ReadPolicy",
    "encode_body",
    "etag_of",
    "read_policy",
    "reading",
]

R = TypeVar("R")
ETAG_BYTES = 12
_encoder = msgspec.json.Encoder(decimal_format="string")


def encode_body(value: Any) -> bytes:
    """`value` as JSON bytes, the same for the same value."""
    return _encoder.encode(value)


def etag_of(body: bytes) -> str:
    """The strong ETag of a body, quoted (RFC 9110, 8.8.3)."""
    return f'"{blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"'


class Outcome(enum.Enum):
    """How a read went."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    BYPASS = "bypass"


class ReadPolicy(enum.Enum):
    """How reads are to go: as always, past the entry but filling it, or past the cache."""

    NORMAL = "normal"
    REFRESH = "refresh"
    BYPASS = "bypass"


_policy: ContextVar[ReadPolicy] = ContextVar("cache_read_policy", default=ReadPolicy.NORMAL)


def read_policy() -> ReadPolicy:
    """The policy of reads made here and now."""
    return _policy.get()


@contextmanager
def reading(policy: ReadPolicy) -> Iterator[None]:
    """Have the reads within the block go by `policy`."""
    token = _policy.set(policy)
    try:
        yield
    finally:
        _policy.reset(token)


@dataclass(slots=True)
class CachedResult(Generic[R]):
    """One read's result.

    Attributes:
        body: JSON bytes as stored.
        etag: its strong ETag, quoted.
        outcome: how the read went.
        detail: the tier of a hit (`memory`, `redis`), else the reason of the miss.
        ttl_s: seconds the entry may still live.
        freshness: what `Cache-Status` says of the class; nothing of a strict one.
        is_stored: whether what was loaded is kept; what is over the size limit is not.
    """

    body: bytes
    etag: str
    outcome: Outcome
    detail: str
    ttl_s: int
    _decode: Callable[[bytes], R] = field(repr=False)
    _kept: list[R] = field(default_factory=list, repr=False)
    freshness: str = ""
    is_stored: bool = True

    @property
    def value(self) -> R:
        """The value, decoded once for all readers of the same entry: never change it."""
        if not self._kept:
            self._kept.append(self._decode(self.body))
        return self._kept[0]

    def revised(self, value: R, body: bytes, etag: str) -> "CachedResult[R]":
        """The same read with a value that was made of this one's, and what names that."""
        return replace(self, body=body, etag=etag, _kept=[value])

    @property
    def cache_status(self) -> str:
        """The `Cache-Status` header (RFC 9211)."""
        return f"larder; {self._status()}{self.freshness}"

    def _status(self) -> str:
        if self.outcome is Outcome.HIT:
            return f"hit; ttl={self.ttl_s}; detail={self.detail}"
        if self.outcome is Outcome.STALE:
            return f"fwd=stale; ttl={self.ttl_s}; detail={self.detail}"
        if self.outcome is Outcome.BYPASS:
            return "fwd=bypass"
        forward = "request" if self.detail == "request" else "miss"
        kept = f"stored; ttl={self.ttl_s}; " if self.is_stored else ""
        return f"fwd={forward}; {kept}detail={self.detail}"
