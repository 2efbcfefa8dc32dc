"""Cache engines as workers have them, and calls of cached reads."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.engine import CacheEngine
from cache.entries import EntryCodec
from cache.freshness import NO_LEEWAY, STRICT, Freshness, Leeway
from cache.generations import Generations, GenerationStore
from cache.leases import LoadLocks
from cache.reads import ReadCall, ReadSpec
from cache.scopes import Scope
from cache.settings import CacheSettings
from cache.statistics import Statistics
from telemetry.clock import Clock

__all__ = ["SIGNING", "make_call", "make_engine", "misses"]

SIGNING = (b"the suite's signing key",)


def make_engine(
    store: GenerationStore,
    clock: Clock,
    redis: RedisTier | None = None,
    *,
    locks: Sequence[LoadLocks] = (),
    **changes: Any,
) -> CacheEngine:
    """One worker's engine.

    Args:
        store: the generations that all workers share.
        clock: where it reads the time.
        redis: its Redis tier; `None` for memory alone.
        locks: what keeps loads apart while Redis is away.
        **changes: settings other than the defaults.
    """
    settings = CacheSettings(**{"signing_keys": SIGNING, "key_prefix": "t", **changes})
    return CacheEngine(
        settings=settings,
        generations=Generations(store),
        memory=MemoryCache(max_bytes=settings.memory_bytes, clock=clock),
        redis=redis,
        codec=EntryCodec(
            settings.signing_keys,
            max_bytes=settings.entry_bytes,
            compress_bytes=settings.compress_bytes,
        ),
        statistics=Statistics(),
        clock=clock,
        locks=locks,
    )


def make_call(  # noqa: PLR0913 (what a call may differ in, each named)
    load: Callable[[], Any] = lambda: ["loaded"],
    *,
    owner: str = "u1",
    resource: str = "me",
    shape: str = "1",
    ttl_s: int = 300,
    freshness: Freshness = STRICT,
    leeway: Leeway = NO_LEEWAY,
) -> ReadCall:
    """A call of a read of the namespace `users`."""

    def scope_of(owner: str) -> Scope:
        return Scope(f"users:{owner}")

    return ReadCall(
        spec=ReadSpec("users", resource, ttl_s, 1, scope_of, freshness, leeway),
        shape=shape,
        key=f"users:{owner}:{resource}:digest",
        scope=scope_of(owner),
        load=load,
        decode=msgspec.json.decode,
    )


def misses(engine: CacheEngine) -> dict[str, float]:
    """How often each reason kept this worker from a hit."""
    found = {
        name.rpartition("|")[2]: count
        for name, count in engine.statistics.snapshot().items()
        if name.startswith("reads|users|") and "|miss|" in name
    }
    return {reason: count for reason, count in found.items() if count}
