"""What Flask-Caching's own verbs stand on: `@cached`, `@memoize`, `get`, `set` and the rest.

The same rules as for cached reads: entries are signed and typed, carry the generations of their
scopes, and Redis being away is never an error. While Redis is up it alone is asked, so that all
workers agree; while it is away each worker's memory serves.

A deletion is a write: it bumps the scope of its key's slot, so it holds on every worker, survives
Redis coming back, and refuses what was loaded before it. A `set` after a `get` that found nothing
is a fill: it carries the stamp of that `get`. Any other `set` is a write too, and bumps where Redis
cannot tell the other workers. As all writes, these do not belong into an open unit of work.
"""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from zlib import crc32

from flask import Flask, g, has_app_context
from flask_caching.backends.base import BaseCache

from cache.backends.redis import RedisTier
from cache.engine import EVERYTHING, CacheEngine
from cache.entries import Entry
from cache.generations import Stamp
from cache.present import ENGINE
from cache.results import Outcome
from cache.scopes import Scope
from cache.values import ValueRefused, pack, unpack

__all__ = ["NAMESPACE", "VIEWS", "ViewCache"]

NAMESPACE = "views"
VIEWS = Scope(f"ns:{NAMESPACE}")
SHAPE = "1"
FOREVER_S = 10 * 365 * 86400
SLOTS = 256
MISSED = "larder_missed_views"
MAX_MISSED = 1000


class ViewCache(BaseCache):
    """Flask-Caching's backend over the engine of one application."""

    def __init__(self, engine: CacheEngine, default_timeout: int = 300) -> None:
        super().__init__(default_timeout=default_timeout)
        self._engine = engine

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> "ViewCache":
        """Make the backend that Flask-Caching asks for by `CACHE_TYPE`."""
        del config, args
        return cls(app.extensions[ENGINE], default_timeout=kwargs["default_timeout"])

    def get(self, key: str) -> Any:
        """The value, or `None`."""
        stamp = self._stamp(key)
        found = self._engine.find(self._key(key), SHAPE, stamp, is_shared=True)
        count = partial(self._engine.statistics.read, NAMESPACE, "get")
        if found.entry is not None:
            try:
                value = unpack(found.entry.body)
            except ValueRefused:
                count(Outcome.MISS, "schema")
            else:
                count(Outcome.HIT, found.detail)
                return value
        else:
            count(Outcome.MISS, found.detail)
        self._miss(key, stamp)
        return None

    def has(self, key: str) -> bool:
        """Whether there is a value; a cached `None` counts."""
        return self._find(key, self._stamp(key)) is not None

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value for `timeout` seconds (0: for ever).

        Raises:
            ValueRefused: its type would not come back the same.
        """
        stamp = self._missed().pop(key, None)
        entry = self._entry(key, value, timeout, stamp)
        if stamp is not None:
            return self._is_small(entry) and self._fill(key, entry)
        if not self._is_small(entry):
            self.delete(key)
            return False
        if self._send(entry):
            return True
        self._bump(self._slot(key))
        return self._remember(self._entry(key, value, timeout))

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value if there is none."""
        if self.has(key):
            return False
        entry = self._entry(key, value, timeout, self._missed().pop(key, None))
        return self._is_small(entry) and self._fill(key, entry)

    def version(self, keys: Iterable[str]) -> str:
        """What changes as soon as one of these keys is deleted: the same for every worker."""
        slots = [self._slot(key) for key in keys]
        stamp = self._engine.generations.stamp(slots)
        return ".".join(str(stamp[slot.name]) for slot in slots)

    def delete(self, key: str) -> bool:
        """Drop a value; whether there was one. Holds even if Redis cannot be told."""
        return key in self.delete_many(key)

    def delete_many(self, *keys: str) -> list[Any]:
        """Drop these values; those that were there."""
        dropped = [key for key in keys if self._drop(key)]
        if keys:
            self._bump(*{self._slot(key) for key in keys})
        return dropped

    def clear(self) -> bool:
        """Drop all values, at the cost of one: their scope is bumped."""
        self._missed().clear()
        self._bump(VIEWS)
        return True

    def _bump(self, *scopes: Scope) -> None:
        self._engine.generations.bump(scopes)
        self._engine.statistics.count("invalidations", NAMESPACE, by=len(scopes))

    def _redis(self) -> RedisTier | None:
        redis = self._engine.redis
        return redis if redis is not None and redis.is_up else None

    def _key(self, key: str) -> str:
        return f"{NAMESPACE}::{key}"

    @staticmethod
    def _slot(key: str) -> Scope:
        """The scope of a key and some others: a row for each key would never be dropped."""
        return Scope(f"{NAMESPACE}:{crc32(key.encode()) % SLOTS}")

    def _stamp(self, key: str) -> Stamp:
        return self._engine.generations.stamp((self._slot(key), VIEWS, EVERYTHING))

    def _missed(self) -> dict[str, Stamp]:
        """What this request has looked for in vain, with the stamps of then."""
        if not has_app_context():
            return {}
        missed: dict[str, Stamp] = g.setdefault(MISSED, {})
        return missed

    def _miss(self, key: str, stamp: Stamp) -> None:
        missed = self._missed()
        missed[key] = stamp
        if len(missed) > MAX_MISSED:
            del missed[next(iter(missed))]

    def _find(self, key: str, stamp: Stamp) -> Entry | None:
        return self._engine.find(self._key(key), SHAPE, stamp, is_shared=True).entry

    def _entry(
        self, key: str, value: Any, timeout: int | timedelta | None, stamp: Stamp | None = None
    ) -> Entry:
        now_s = self._now_s()
        stamp = self._stamp(key) if stamp is None else stamp
        expires_s = now_s + self._ttl_s(timeout)
        return Entry(self._key(key), SHAPE, stamp, now_s, expires_s, "", pack(value))

    def _now_s(self) -> float:
        return self._engine.clock.now().timestamp()

    def _ttl_s(self, timeout: int | timedelta | None) -> int:
        seconds = self._normalize_timeout(timeout)
        return seconds if seconds > 0 else FOREVER_S

    def _is_small(self, entry: Entry) -> bool:
        if len(entry.body) <= self._engine.settings.entry_bytes:
            return True
        self._engine.statistics.count("refused", NAMESPACE)
        return False

    def _fill(self, key: str, entry: Entry) -> bool:
        """Keep what was loaded after a miss, unless somebody was faster: theirs may be newer."""
        redis = self._redis()
        if redis is None:
            return self._remember(entry)
        name, ttl_s = self._engine.storage_key(entry.key), entry.expires_s - entry.created_s
        if redis.add(name, self._engine.codec.encode(entry), ttl_s):
            return True
        if self._find(key, self._stamp(key)) is not None:
            return False
        return self._send(entry)  # what stood there could not be served

    def _send(self, entry: Entry) -> bool:
        redis = self._redis()
        if redis is None:
            return False
        ttl_s = entry.expires_s - entry.created_s
        raw = self._engine.codec.encode(entry)
        return redis.set(self._engine.storage_key(entry.key), raw, ttl_s)

    def _remember(self, entry: Entry) -> bool:
        """Keep it in memory, which is asked only while Redis is away.

        If Redis is there (again), others may set there what this memory would not hear of.
        """
        ttl_s, memory = int(entry.expires_s - entry.created_s) + 1, self._engine.memory
        is_kept = memory.set(entry.key, entry, ttl_s, size_bytes=entry.size_bytes)
        if is_kept and self._redis() is not None:
            memory.delete(entry.key)
            return False
        return is_kept

    def _drop(self, key: str) -> bool:
        self._missed().pop(key, None)
        logical = self._key(key)
        had = self._engine.memory.delete(logical)
        redis = self._redis()
        return bool(redis and redis.delete(self._engine.storage_key(logical))) or had
