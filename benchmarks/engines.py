"""Cache engines as workers have them, over generations that never change."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.connection import Connection
from cache.engine import CacheEngine
from cache.entries import EntryCodec
from cache.generations import Generations
from cache.leases import LoadLocks
from cache.reads import ReadCall, ReadSpec
from cache.scopes import Scope
from cache.settings import CacheSettings
from cache.statistics import Statistics
from telemetry.clock import SYSTEM_CLOCK

__all__ = ["make_call", "make_engine"]

SIGNING = (b"a key of this benchmark alone",)
TTL_S = 3600


class Unchanged:
    """Generations of a database that nobody writes to."""

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """None was ever raised."""
        return dict.fromkeys(scopes, 0)

    def bump(self, scopes: Sequence[str]) -> None:
        """Nothing is written here."""


def make_engine(url: str | None, *, locks: Sequence[LoadLocks] = (), **changes: Any) -> CacheEngine:
    """One worker's engine.

    Args:
        url: where Redis is; `None` for memory alone.
        locks: what keeps loads apart while Redis is away.
        **changes: settings other than the defaults.
    """
    # A busy machine is not to be taken for a Redis that is away.
    patient = {"timeout_s": 5.0, "connect_timeout_s": 5.0}
    settings = CacheSettings(
        **{"redis_url": url or "", "signing_keys": SIGNING, **patient, **changes}
    )
    statistics = Statistics()
    redis = None
    if url is not None:
        redis = RedisTier(
            Connection(settings),
            settings=settings,
            clock=SYSTEM_CLOCK,
            on_error=lambda error, _: statistics.count("errors", "", error),
            on_back=lambda: None,
        )
    return CacheEngine(
        settings=settings,
        generations=Generations(Unchanged()),
        memory=MemoryCache(max_bytes=settings.memory_bytes),
        redis=redis,
        codec=EntryCodec(
            settings.signing_keys,
            max_bytes=settings.entry_bytes,
            compress_bytes=settings.compress_bytes,
        ),
        statistics=statistics,
        clock=SYSTEM_CLOCK,
        locks=locks,
    )


def make_call(load: Callable[[], Any], name: str = "me") -> ReadCall:
    """A call of one cached read, under a key of its own for each `name`."""

    def scope_of(owner: str) -> Scope:
        return Scope(f"users:{owner}")

    return ReadCall(
        spec=ReadSpec("users", "me", TTL_S, 1, scope_of),
        shape="1",
        key=f"users:u1:me:{name}",
        scope=scope_of("u1"),
        load=load,
        decode=msgspec.json.decode,
    )
