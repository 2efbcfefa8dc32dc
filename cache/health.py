"""How the cache stands: what serves, whether Redis answers, and what is wrong, in words."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from cache.backends.redis import RedisTier
from cache.engine import CacheEngine
from cache.judgement import Evictions, judge
from cache.redis_faults import FAULTS

__all__ = ["Health", "Outages", "health_of", "latency_ms"]

FULL = 0.9
_looks: WeakKeyDictionary[CacheEngine, tuple[float, int]] = WeakKeyDictionary()
"""When each engine's Redis was last looked at, and how many keys it had evicted by then."""


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
    memory_budget_bytes: int
    redis_version: str | None
    redis_role: str | None
    redis_evictions: int | None
    redis_fragmentation: float | None
    redis_clients: int | None
    warnings: tuple[str, ...]


def health_of(engine: CacheEngine) -> Health:
    """Look at everything once; costs Redis two commands while it is up."""
    redis = engine.redis
    answered_ms = latency_ms(redis)
    info = redis.info("default") if redis is not None and answered_ms is not None else {}
    return Health(
        backend="memory" if answered_ms is None else "redis",
        configured=engine.settings.backend,
        redis_reachable=answered_ms is not None,
        redis_latency_ms=answered_ms,
        circuit=redis.circuit.state if redis is not None else "closed",
        fallbacks=redis.circuit.opened_count if redis is not None else 0,
        outages=_outages(redis),
        maxmemory_bytes=info.get("maxmemory"),
        eviction_policy=info.get("maxmemory_policy"),
        used_memory_bytes=info.get("used_memory"),
        memory_entries=len(engine.memory),
        memory_bytes=engine.memory.size_bytes,
        memory_evictions=engine.memory.evictions,
        memory_budget_bytes=engine.settings.memory_bytes,
        redis_version=info.get("redis_version"),
        redis_role=info.get("role"),
        redis_evictions=info.get("evicted_keys"),
        redis_fragmentation=info.get("mem_fragmentation_ratio"),
        redis_clients=info.get("connected_clients"),
        warnings=tuple(_warnings(engine, answered_ms, info)),
    )


def latency_ms(redis: RedisTier | None) -> float | None:
    """How long Redis takes to answer, milliseconds; `None` where it is not asked or is silent."""
    client = None if redis is None else redis.client()
    if redis is None or client is None:
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


def _warnings(engine: CacheEngine, latency_ms: float | None, info: dict[str, Any]) -> list[str]:
    found = []
    if engine.redis is not None and latency_ms is None:
        found.append("Redis does not answer: each worker caches in its own memory.")
    if latency_ms is not None:
        found += judge(
            info,
            latency_ms=latency_ms,
            timeout_ms=engine.settings.timeout_s * 1000,
            evictions=_evictions(engine, info),
        )
    memory, budget = engine.memory, engine.settings.memory_bytes
    if memory.evictions > len(memory) and memory.size_bytes > budget * FULL:
        found.append(
            f"This worker's memory is full: it has evicted {memory.evictions} entries and holds "
            f"{len(memory)}; raise CACHE_MEMORY_BYTES."
        )
    return found


def _evictions(engine: CacheEngine, info: dict[str, Any]) -> Evictions:
    """How many keys Redis has evicted since this worker last looked, or since it was started."""
    evicted = int(info.get("evicted_keys", 0))
    now_s = engine.clock.monotonic()
    before = _looks.get(engine)
    _looks[engine] = (now_s, evicted)
    if before is None or evicted < before[1]:
        return Evictions(evicted, float(info.get("uptime_in_seconds", 0)))
    return Evictions(evicted - before[1], now_s - before[0])
