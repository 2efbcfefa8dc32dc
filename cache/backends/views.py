"""What Flask-Caching's own verbs stand on: `@cached`, `@memoize`, `get`, `set` and the rest.

The same rules as for cached reads: entries are signed and typed, carry the generation of the scope
`ns:views`, and Redis being away is never an error. While Redis is up it alone is asked, so that all
workers agree; while it is away each worker's memory serves. A deletion that Redis cannot be told is
written into the database instead, as a bump of that scope: Redis coming back does not undo it.
"""

from datetime import timedelta
from typing import Any

import structlog
from flask import Flask
from flask_caching.backends.base import BaseCache

from cache.backends.redis import RedisTier
from cache.engine import EVERYTHING, CacheEngine
from cache.entries import Entry
from cache.reads import ENGINE
from cache.scopes import Scope
from cache.values import ValueRefused, pack, unpack

__all__ = ["NAMESPACE", "VIEWS", "ViewCache"]

log = structlog.get_logger(__name__)
NAMESPACE = "views"
VIEWS = Scope(f"ns:{NAMESPACE}")
SHAPE = "1"
FOREVER_S = 10 * 365 * 86400


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
        found = self._find(key)
        return None if found is None else self._unpacked(found)

    def has(self, key: str) -> bool:
        """Whether there is a value; a cached `None` counts."""
        return self._find(key) is not None

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value for `timeout` seconds (0: for ever).

        Raises:
            ValueRefused: its type would not come back the same.
        """
        entry = self._entry(key, value, timeout)
        if len(entry.body) > self._engine.settings.entry_bytes:
            self._engine.statistics.count("refused", NAMESPACE)
            return False
        redis = self._redis()
        if redis is None:
            return self._engine.memory.set(
                entry.key,
                entry,
                int(entry.expires_s - entry.created_s) + 1,
                size_bytes=entry.size_bytes,
            )
        ttl_s = entry.expires_s - entry.created_s
        raw = self._engine.codec.encode(entry)
        return redis.set(self._engine.storage_key(entry.key), raw, ttl_s)

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value if there is none."""
        redis = self._redis()
        if redis is None or self._find(key) is not None:
            return False if self._find(key) is not None else self.set(key, value, timeout)
        entry = self._entry(key, value, timeout)
        ttl_s = entry.expires_s - entry.created_s
        name = self._engine.storage_key(entry.key)
        if redis.add(name, self._engine.codec.encode(entry), ttl_s):
            return True
        if self._find(key) is not None:
            return False
        return self.set(key, value, timeout)  # what stood there could not be served

    def delete(self, key: str) -> bool:
        """Drop a value; whether there was one. Holds even if Redis cannot be told."""
        logical = self._key(key)
        had = self._engine.memory.delete(logical)
        redis = self._engine.redis
        if redis is None:
            if had:
                self._bump()
            return had
        told = redis.delete(self._engine.storage_key(logical))
        if told is None:
            self._bump()
            return True
        return had or told

    def clear(self) -> bool:
        """Drop all values, at the cost of one: their scope is bumped."""
        self._bump()
        return True

    def _bump(self) -> None:
        self._engine.generations.bump([VIEWS])
        self._engine.statistics.count("invalidations", NAMESPACE)

    def _redis(self) -> RedisTier | None:
        redis = self._engine.redis
        return redis if redis is not None and redis.is_up else None

    def _key(self, key: str) -> str:
        return f"{NAMESPACE}::{key}"

    def _find(self, key: str) -> Entry | None:
        logical = self._key(key)
        stamp = self._engine.generations.stamp((VIEWS, EVERYTHING))
        found = self._engine.find(logical, SHAPE, stamp, is_shared=True)
        return found.entry

    def _entry(self, key: str, value: Any, timeout: int | timedelta | None) -> Entry:
        seconds = self._normalize_timeout(timeout)
        stamp = self._engine.generations.stamp((VIEWS, EVERYTHING))
        ttl_s = seconds if seconds > 0 else FOREVER_S
        now_s = self._engine.clock.now().timestamp()
        return Entry(self._key(key), SHAPE, stamp, now_s, now_s + ttl_s, "", pack(value))

    def _unpacked(self, entry: Entry) -> Any:
        try:
            return unpack(entry.body)
        except ValueRefused:
            log.warning("view_entry_unreadable")
            return None
