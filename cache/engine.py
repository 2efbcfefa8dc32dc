"""The way of a cached read: generations, memory, Redis, one loader; never older than a write.

A hit is served only if its stamp equals the generations read after the request began, so neither
Redis nor memory nor their failures have a say in what is fresh (`docs/caching.md`).
"""

import random
import time
from dataclasses import dataclass
from typing import Any

from cache import recording
from cache.audit import Auditor
from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.entries import Entry, EntryCodec, EntryRefused
from cache.freshness import Stamps
from cache.generations import Generations, Stamp
from cache.reads import ReadCall, ReadSpec
from cache.results import CachedResult, Outcome, ReadPolicy, encode_body, etag_of, read_policy
from cache.scopes import Scope
from cache.settings import CacheSettings
from cache.singleflight import SingleFlight
from cache.statistics import Statistics
from telemetry.clock import Clock

__all__ = ["EVERYTHING", "CacheEngine"]

EVERYTHING = Scope("*")
JITTER = 0.1
AFTERLIFE_S = 60.0
MEMORY, REDIS, LOADER = "memory", "redis", "loader"


@dataclass(frozen=True, slots=True)
class _Found:
    """What looking for an entry came to: the entry and its tier, or why there is none.

    `ended` is the entry whose time was over, where that is why.
    """

    entry: Entry | None
    detail: str
    ended: Entry | None = None


class CacheEngine:
    """The engine of one application in one process.

    Args:
        settings: its set-up.
        generations: what is fresh.
        memory: the memory tier.
        redis: the Redis tier, or `None` for memory alone.
        codec: entries to bytes and back.
        statistics: where everything is counted.
        clock: where times are read.
    """

    def __init__(  # noqa: PLR0913 (the parts, each named)
        self,
        *,
        settings: CacheSettings,
        generations: Generations,
        memory: MemoryCache,
        redis: RedisTier | None,
        codec: EntryCodec,
        statistics: Statistics,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.generations = generations
        self.stamps = Stamps(generations, clock)
        self.memory = memory
        self.redis = redis
        self.codec = codec
        self.statistics = statistics
        self.clock = clock
        self.auditor = Auditor(settings.audit_share, generations, statistics)
        self._flights: SingleFlight[Entry] = SingleFlight(wait_s=settings.wait_s)

    def read(self, call: ReadCall) -> CachedResult[Any]:
        """Answer a cached read.

        Raises:
            Exception: whatever the loader or the generations' store raises.
        """
        spec, policy = call.spec, read_policy()
        if policy is ReadPolicy.BYPASS:
            return self._bypass(call)
        scopes = self.scopes(spec.namespace, call.scope)
        stamp = self.stamps.stamp(scopes, spec.freshness)
        began_s = time.perf_counter()
        if policy is ReadPolicy.REFRESH:
            found = _Found(None, "request")
        else:
            found = self._sound(call, self.find(call.key, call.shape, stamp))
        if found.entry is not None:
            self.statistics.read(spec.namespace, spec.resource, Outcome.HIT, found.detail)
            self.statistics.took(spec.namespace, found.detail, time.perf_counter() - began_s)
            return self._result(call, found.entry, Outcome.HIT, found.detail)
        return self._miss(call, stamp, found)

    def lookup(self, call: ReadCall, stamp: Stamp, policy: ReadPolicy) -> CachedResult[Any] | None:
        """The entry of `call` if it can be served; counts one hit, miss or bypass."""
        spec = call.spec
        if policy is ReadPolicy.BYPASS:
            self.statistics.read(spec.namespace, spec.resource, Outcome.BYPASS, "no-store")
            return None
        began_s = time.perf_counter()
        found = _Found(None, "request")
        if policy is ReadPolicy.NORMAL:
            found = self._sound(call, self.find(call.key, call.shape, stamp))
        outcome = Outcome.MISS if found.entry is None else Outcome.HIT
        self.statistics.read(spec.namespace, spec.resource, outcome, found.detail)
        if found.entry is None:
            return None
        self.statistics.took(spec.namespace, found.detail, time.perf_counter() - began_s)
        return self._result(call, found.entry, outcome, found.detail)

    def keep(
        self,
        call: ReadCall,
        stamp: Stamp,
        body: bytes,
        ttl_s: float | None,
        *,
        policy: ReadPolicy = ReadPolicy.NORMAL,
    ) -> CachedResult[Any]:
        """Keep a value that was made under `stamp`, for `ttl_s` seconds or the resource's TTL."""
        if policy is ReadPolicy.BYPASS:
            return self._past(call, body)
        spec = call.spec
        lives_s = self.ttl_of(spec.namespace, spec.resource, spec.ttl_s) if ttl_s is None else ttl_s
        entry = self._keep(call, stamp, body, lives_s)
        return self._result(call, entry, Outcome.MISS, "absent")

    def stamp(self, spec: ReadSpec, scope: Scope) -> Stamp:
        """The generations that an entry must carry to be served now, as its class has it.

        Raises:
            Exception: whatever the generations' store raises.
        """
        return self.stamps.stamp(self.scopes(spec.namespace, scope), spec.freshness)

    def forget(self) -> None:
        """Read generations anew from here on: this worker has written."""
        self.generations.forget()
        self.stamps.forget()

    @staticmethod
    def scopes(namespace: str, scope: Scope) -> tuple[Scope, ...]:
        """All that an entry depends on: its own scope, its namespace, everything."""
        return (scope, Scope(f"ns:{namespace}"), EVERYTHING)

    def storage_key(self, key: str) -> str:
        """The key that Redis knows it by."""
        return f"{self.settings.key_prefix}:{key}"

    def find(
        self, key: str, shape: str | None, stamp: Stamp | None, *, is_shared: bool = False
    ) -> _Found:
        """Look for a servable entry.

        Args:
            key: its logical key.
            shape: the shape it must have; `None` for any.
            stamp: the generations it must carry; `None` for any.
            is_shared: ask Redis alone while it is up, so that all workers see the same.
        """
        memory_first = self.settings.memory_first and not is_shared
        redis = self.redis if self.redis is not None and self.redis.is_up else None
        here = _Found(None, "absent")
        if memory_first or redis is None:
            entry: Entry | None = self.memory.get(key)
            if entry is not None:
                here = self._judged(entry, MEMORY, shape, stamp)
        if here.entry is not None or redis is None:
            return here
        found = self._find_in_redis(redis, key, shape, stamp)
        if found.entry is not None and memory_first:
            self._remember(found.entry)
        return found if found.detail != "absent" else here

    def _sound(self, call: ReadCall, found: _Found) -> _Found:
        """What was found, once the auditor lets it pass; a use of the entry is noted."""
        if found.entry is None:
            return found
        fault = self.auditor.fault(call, found.entry)
        if fault:
            return _Found(None, fault)
        found.entry.uses += 1
        return found

    def _find_in_redis(
        self, redis: RedisTier, key: str, shape: str | None, stamp: Stamp | None
    ) -> _Found:
        raw = redis.get(self.storage_key(key))
        if raw is None:
            return _Found(None, "absent")
        try:
            entry = self.codec.decode(key, raw, shape=shape)
        except EntryRefused as refused:
            return _Found(None, refused.reason)
        entry.uses = 1  # somebody stored it, and here it is asked for
        return self._judged(entry, REDIS, shape, stamp)

    def store(self, entry: Entry) -> bool:
        """Keep an entry in every tier that is there; `False` for one over the size limit."""
        if len(entry.body) > self.settings.entry_bytes:
            return False
        self._remember(entry)
        if self.redis is not None and self.redis.is_up:
            ttl_s = entry.expires_s - self._now_s()
            if ttl_s > 0:
                kept_s = ttl_s + _afterlife_s(entry)
                self.redis.set(self.storage_key(entry.key), self.codec.encode(entry), kept_s)
        return True

    def entry(self, key: str, shape: str, stamp: Stamp, body: bytes, ttl_s: float) -> Entry:
        """A new entry that lives for about `ttl_s` seconds: spread, so that not all end at once."""
        now_s = self._now_s()
        spread = random.uniform(1 - JITTER, 1)  # noqa: S311 (jitter, no secret)
        return Entry(key, shape, stamp, now_s, now_s + ttl_s * spread, etag_of(body), body)

    def redis_client(self) -> Any:
        """The Redis client for others who keep things there; `None` while it is away."""
        return self.redis.client() if self.redis is not None and self.redis.is_up else None

    def shutdown(self) -> None:
        """Close connections and end background work."""
        if self.redis is not None:
            self.redis.stop()

    def ttl_of(self, namespace: str, resource: str, default_s: int) -> int:
        """The TTL of a resource with the operator's override."""
        return self.settings.ttls.get(f"{namespace}_{resource}", default_s)

    def _bypass(self, call: ReadCall) -> CachedResult[Any]:
        body = encode_body(call.load())
        self.statistics.read(call.spec.namespace, call.spec.resource, Outcome.BYPASS, "no-store")
        return self._past(call, body)

    @staticmethod
    def _past(call: ReadCall, body: bytes) -> CachedResult[Any]:
        return CachedResult(body, etag_of(body), Outcome.BYPASS, "no-store", 0, call.decode, [])

    def _miss(self, call: ReadCall, stamp: Stamp, found: _Found) -> CachedResult[Any]:
        spec, reason = call.spec, found.detail
        self.statistics.read(spec.namespace, spec.resource, Outcome.MISS, reason)
        flight = (call.key, call.shape, tuple(sorted(stamp.items())))
        entry, is_shared = self._flights.do(flight, lambda: self._load(call, stamp))
        if is_shared:
            self.statistics.count("coalesced", spec.namespace)
        elif found.ended is not None:
            result = "unchanged" if entry.etag == found.ended.etag else "changed"
            self.statistics.count("reloads", spec.namespace, spec.resource, result)
        return self._result(call, entry, Outcome.MISS, reason)

    def _load(self, call: ReadCall, stamp: Stamp) -> Entry:
        """Load and keep. The stamp was read before: the value is never older than it says."""
        spec = call.spec
        began_s = time.perf_counter()
        body = encode_body(call.load())
        self.statistics.took(spec.namespace, LOADER, time.perf_counter() - began_s)
        return self._keep(call, stamp, body, self.ttl_of(spec.namespace, spec.resource, spec.ttl_s))

    def _keep(self, call: ReadCall, stamp: Stamp, body: bytes, ttl_s: float) -> Entry:
        spec = call.spec
        entry = self.entry(call.key, call.shape, stamp, body, ttl_s)
        if self.store(entry):
            self.statistics.count("fills", spec.namespace, spec.resource)
        else:
            self.statistics.count("refused", spec.namespace)
        return entry

    def _judged(self, entry: Entry, tier: str, shape: str | None, stamp: Stamp | None) -> _Found:
        """`entry` if it can be served, else why not: of two reasons the one no TTL would cure."""
        if shape is not None and entry.shape != shape:
            return _Found(None, "schema")
        if stamp is not None and entry.stamp != stamp:
            return _Found(None, "stamp")
        if entry.expires_s <= self._now_s():
            return _Found(None, "expired", entry)
        return _Found(entry, tier)

    def _remember(self, entry: Entry) -> None:
        ttl_s = entry.expires_s - self._now_s()
        if ttl_s > 0:
            kept_s = max(1, int(ttl_s + _afterlife_s(entry) + 0.999))
            self.memory.set(entry.key, entry, kept_s, size_bytes=entry.size_bytes)

    def _result(
        self, call: ReadCall, entry: Entry, outcome: Outcome, detail: str
    ) -> CachedResult[Any]:
        noting = recording.current()
        if noting is not None:
            noting.read(call, entry, outcome)
        ttl_s = max(0, int(entry.expires_s - self._now_s()))
        return CachedResult(
            entry.body,
            entry.etag,
            outcome,
            detail,
            ttl_s,
            call.decode,
            entry.kept,
            call.spec.freshness.status,
        )

    def _now_s(self) -> float:
        return self.clock.now().timestamp()


def _afterlife_s(entry: Entry) -> float:
    """How long an entry stays after its time: who asks then learns what a longer TTL would save."""
    return min(entry.expires_s - entry.created_s, AFTERLIFE_S)
