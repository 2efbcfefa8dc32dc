"""How the cache stands: what serves, whether Redis answers, and what is wrong, in words."""

import time
from dataclasses import dataclass
from datetime import datetime

from cache.backends.redis import RedisTier
from cache.engine import CacheEngine
from cache.redis_faults import FAULTS

__all__ = ["Health", "Outages", "health_of"]

GOOD_POLICIES = ("allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu")


@dataclass(frozen=True, slots=True)
class Outages:
    """One time that Redis was away, or kept nothing; `ended_at` is `None` while it lasts.

    `reason` is one word, `detail` what Redis or the client said.
    """

    began_at: datetime
    ended_at: datetime | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one worker's cache. Latency is milliseconds, sizes bytes."""

    backend: str
    configured: str
    redis_reachable: bool
    redis_latency_ms: float | None
    circuit: str
    fallbacks: int
    outages: tuple[Outages, ...]
    maxmemory_bytes: int | None
    eviction_policy: str | None
    used_memory_bytes: int | None
    memory_entries: int
    memory_bytes: int
    memory_evictions: int
    warnings: tuple[str, ...]


def health_of(engine: CacheEngine) -> Health:
    """Look at everything once; costs Redis two commands while it is up."""
    redis = engine.redis
    latency_ms = _latency_ms(redis) if redis is not None and redis.is_up else None
    info = redis.info("memory") if redis is not None and latency_ms is not None else {}
    maxmemory = info.get("maxmemory")
    policy = info.get("maxmemory_policy")
    reachable = latency_ms is not None
    return Health(
        backend="redis" if reachable else "memory",
        configured=engine.settings.backend,
        redis_reachable=reachable,
        redis_latency_ms=latency_ms,
        circuit=redis.circuit.state if redis is not None else "closed",
        fallbacks=redis.circuit.opened_count if redis is not None else 0,
        outages=_outages(redis),
        maxmemory_bytes=maxmemory,
        eviction_policy=policy,
        used_memory_bytes=info.get("used_memory"),
        memory_entries=len(engine.memory),
        memory_bytes=engine.memory.size_bytes,
        memory_evictions=engine.memory.evictions,
        warnings=tuple(_warnings(engine, reachable, maxmemory, policy)),
    )


def _latency_ms(redis: RedisTier) -> float | None:
    client = redis.client()
    if client is None:
        return None
    began_s = time.perf_counter()
    try:
        client.ping()
    except FAULTS as fault:
        redis.report(fault)
        return None
    return round((time.perf_counter() - began_s) * 1000, 3)


def _outages(redis: RedisTier | None) -> tuple[Outages, ...]:
    if redis is None:
        return ()
    return tuple(
        Outages(each.began_at, each.ended_at, each.reason, each.detail) for each in redis.outages
    )


def _warnings(
    engine: CacheEngine, reachable: bool, maxmemory: int | None, policy: str | None
) -> list[str]:
    found = []
    if engine.redis is not None and not reachable:
        found.append("Redis does not answer: each worker caches in its own memory.")
    if reachable and maxmemory == 0:
        found.append("maxmemory is not set: Redis may grow until the machine has no memory left.")
    if reachable and maxmemory and policy not in GOOD_POLICIES:
        found.append(f"maxmemory-policy is {policy}: at the limit writes fail; set allkeys-lru.")
    return found
