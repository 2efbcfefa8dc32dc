"""The way of a cached read: generations, memory, Redis, one loader; never older than a write.

A hit is served only if its stamp equals the generations read after the request began, so neither
Redis nor memory nor their failures have a say in what is fresh (`docs/caching.md`). What a resource
allows beyond that (`cache.freshness.Leeway`) is served as stale, and says so.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from cache import recording
from cache.audit import Auditor
from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.background import Background, Job
from cache.entries import Entry, EntryCodec
from cache.freshness import Stamps
from cache.generations import Generations, Stamp
from cache.leases import Leases, LoadLocks
from cache.loading import Loader
from cache.reads import ReadCall, ReadSpec
from cache.refreshing import Refresher
from cache.results import CachedResult, Outcome, ReadPolicy, encode_body, etag_of, read_policy
from cache.scopes import Scope
from cache.settings import CacheSettings
from cache.statistics import Statistics
from cache.tiers import Found, Tiers
from telemetry.clock import Clock

__all__ = ["EVERYTHING", "CacheEngine"]

log = structlog.get_logger(__name__)
EVERYTHING = Scope("*")
WANTING = {"absent", "expired", "stamp"}
"""Why an entry is missing where any that is sound will do, whoever has made it."""


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
        locks: keep loads apart among workers while Redis is away, the nearest first.
        in_context: runs background work in the application's context.
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
        locks: Sequence[LoadLocks] = (),
        in_context: Callable[[Callable[[], None]], None] = lambda work: work(),
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
        self.tiers = Tiers(settings=settings, memory=memory, redis=redis, codec=codec, clock=clock)
        self.storage_key = self.tiers.storage_key
        self.find, self.store, self.entry = self.tiers.find, self.tiers.store, self.tiers.entry
        self._leases = Leases(
            redis=redis, locks=locks, prefix=settings.key_prefix, lease_s=settings.lease_s
        )
        self._background = Background(in_context=in_context, max_jobs=settings.refreshes)
        self._loader = Loader(
            settings=settings,
            tiers=self.tiers,
            leases=self._leases,
            background=self._background,
            statistics=statistics,
            clock=clock,
        )
        self.ttl_of = self._loader.ttl_of
        self._refresher = Refresher(
            background=self._background,
            loader=self._loader,
            stamps=self.stamps,
            statistics=statistics,
        )

    def read(self, call: ReadCall) -> CachedResult[Any]:
        """Answer a cached read. It is counted once, as a hit, a miss, a bypass or stale.

        Raises:
            LoaderTimeout: the load took longer than the resource allows, and there is nothing else.
            Exception: whatever the loader or the generations' store raises.
        """
        spec, policy = call.spec, read_policy()
        if policy is ReadPolicy.BYPASS:
            return self._bypass(call)
        scopes = self.scopes(spec.namespace, call.scope)
        try:
            stamp = self.stamps.stamp(scopes, spec.freshness)
        except self.settings.outages as fault:
            return self._last_good(call, fault)
        began_s = time.perf_counter()
        if policy is ReadPolicy.REFRESH:
            found = Found(None, "request")
        else:
            found = self.find(call.key, call.shape, stamp, after_s=spec.leeway.after_s)
            found = self._sound(call, found)
        if found.entry is None:
            return self._not_found(call, scopes, stamp, found)
        if found.is_early:
            self._refresher.start(call, scopes, found.entry)
        self.statistics.read(spec.namespace, spec.resource, Outcome.HIT, found.detail)
        self.statistics.took(spec.namespace, found.detail, time.perf_counter() - began_s)
        return self._result(call, found.entry, Outcome.HIT, found.detail)

    def lookup(self, call: ReadCall, stamp: Stamp, policy: ReadPolicy) -> CachedResult[Any] | None:
        """The entry of `call` if it can be served; counts one hit, miss or bypass."""
        spec = call.spec
        if policy is ReadPolicy.BYPASS:
            self.statistics.read(spec.namespace, spec.resource, Outcome.BYPASS, "no-store")
            return None
        began_s = time.perf_counter()
        found = Found(None, "request")
        if policy is ReadPolicy.NORMAL:
            found = self._sound(call, self.find(call.key, call.shape, stamp))
            if found.entry is not None and found.entry.is_manual:
                found = Found(None, "schema")  # nothing says what form a slot's value must have
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
        entry = self._loader.keep(call, stamp, body, lives_s)
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

    def _sound(self, call: ReadCall, found: Found) -> Found:
        """What was found, once the auditor lets it pass; a use of the entry is noted.

        What was set by hand has its time, and no leeway.
        """
        if found.entry is None:
            is_manual = found.old is not None and found.old.is_manual
            return Found(None, found.detail) if is_manual else found
        fault = self.auditor.fault(call, found.entry)
        if fault:
            return Found(None, fault)
        found.entry.uses += 1
        return found

    def redis_client(self) -> Any:
        """The Redis client for others who keep things there; `None` while it is away."""
        return self.redis.client() if self.redis is not None and self.redis.is_up else None

    def shutdown(self) -> None:
        """End background work and close connections."""
        self._background.stop()
        self._leases.close()
        if self.redis is not None:
            self.redis.stop()

    def _bypass(self, call: ReadCall) -> CachedResult[Any]:
        body = encode_body(call.load())
        self.statistics.read(call.spec.namespace, call.spec.resource, Outcome.BYPASS, "no-store")
        return self._past(call, body)

    @staticmethod
    def _past(call: ReadCall, body: bytes) -> CachedResult[Any]:
        return CachedResult(body, etag_of(body), Outcome.BYPASS, "no-store", 0, call.decode, [])

    def _not_found(
        self, call: ReadCall, scopes: tuple[Scope, ...], stamp: Stamp, found: Found
    ) -> CachedResult[Any]:
        """Load; or serve an entry that is over while it is loaded, where the resource allows it."""
        leeway = call.spec.leeway
        over = found.old if found.detail == "expired" else None
        if over is not None and self._now_s() < over.expires_s + leeway.revalidate_s:
            job = self._refresher.start(call, scopes, over)
            if job is None or leeway.soft_s <= 0 or not job.wait(leeway.soft_s):
                return self._stale(call, over, "expired")
            return self._miss(call, stamp, found, lambda: self._refreshed(call, stamp, over, job))
        since_s = 0.0 if found.detail in WANTING else self._now_s()
        return self._miss(call, stamp, found, lambda: self._load(call, stamp, over, since_s))

    def _refreshed(self, call: ReadCall, stamp: Stamp, over: Entry, job: Job[Entry]) -> Entry:
        """What `job` brought; one that began before a write which `stamp` has seen says nothing."""
        entry = job.result()
        return entry if entry.stamp == stamp else self._load(call, stamp, over, 0.0)

    def _load(self, call: ReadCall, stamp: Stamp, over: Entry | None, since_s: float) -> Entry:
        done, spec = self._loader.load(call, stamp, since_s=since_s), call.spec
        if over is not None and not done.is_shared:
            result = "unchanged" if done.entry.etag == over.etag else "changed"
            self.statistics.count("reloads", spec.namespace, spec.resource, result)
        return done.entry

    def _miss(
        self, call: ReadCall, stamp: Stamp, found: Found, load: Callable[[], Entry]
    ) -> CachedResult[Any]:
        spec, old = call.spec, found.old
        if old is None or not self._may_stand_in(call, old, stamp):
            self.statistics.read(spec.namespace, spec.resource, Outcome.MISS, found.detail)
            return self._result(call, load(), Outcome.MISS, found.detail)
        outcome = Outcome.MISS
        try:
            return self._result(call, load(), outcome, found.detail)
        except self.settings.outages as fault:
            outcome = Outcome.STALE
            log.warning("cache_stale_if_error", resource=spec.resource, fault=str(fault)[:200])
            return self._result(call, old, outcome, "error")
        finally:
            detail = "error" if outcome is Outcome.STALE else found.detail
            self.statistics.read(spec.namespace, spec.resource, outcome, detail)

    def _last_good(self, call: ReadCall, fault: Exception) -> CachedResult[Any]:
        """What there is while nobody can say what is fresh, where the resource allows it."""
        spec = call.spec
        if min(spec.leeway.if_error_s, self.settings.stale_s) <= 0:
            raise fault
        found = self.find(call.key, call.shape, None, after_s=spec.leeway.after_s)
        entry = found.entry or found.old
        if entry is None or not self._may_stand_in(call, entry, self.stamps.purges):
            raise fault
        return self._stale(call, entry, "error")

    def _may_stand_in(self, call: ReadCall, old: Entry, stamp: Stamp) -> bool:
        """Whether `old` may be served for want of better: allowed, not too old, not purged."""
        purges = (f"ns:{call.spec.namespace}", EVERYTHING.name)
        lasts_s = min(call.spec.leeway.if_error_s, self.settings.stale_s)
        return (
            lasts_s > 0  # else what a write made old would stand in until its time is over
            and not old.is_manual
            and self._now_s() < old.expires_s + lasts_s
            and all(stamp[row] <= old.stamp.get(row, 0) for row in purges if row in stamp)
        )

    def _stale(self, call: ReadCall, entry: Entry, detail: str) -> CachedResult[Any]:
        self.statistics.read(call.spec.namespace, call.spec.resource, Outcome.STALE, detail)
        return self._result(call, entry, Outcome.STALE, detail)

    def _result(
        self, call: ReadCall, entry: Entry, outcome: Outcome, detail: str
    ) -> CachedResult[Any]:
        noting = recording.current()
        if noting is not None:
            noting.read(call, entry, outcome)
        ttl_s = max(0, int(entry.expires_s - self._now_s()))
        decode, kept = call.decode, entry.kept
        if entry.is_manual and not call.is_typed:
            decode, kept = _loaded_instead(call), []
        return CachedResult(
            entry.body,
            entry.etag,
            outcome,
            detail,
            ttl_s,
            decode,
            kept,
            call.spec.freshness.status,
            len(entry.body) <= self.settings.entry_bytes,
        )

    def _now_s(self) -> float:
        return self.clock.now().timestamp()


def _loaded_instead(call: ReadCall) -> Callable[[bytes], Any]:
    """Decodes into what the loader gives, whatever the bytes are.

    JSON set by hand is shown as it stands. Code that looks into a value relies on its form, which
    nothing has checked where the loader's result has no type.
    """
    return lambda _: call.decode(encode_body(call.load()))
