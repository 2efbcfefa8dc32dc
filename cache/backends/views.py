"""What Flask-Caching's own verbs stand on: `@cached`, `@memoize`, `get`, `set` and the rest.

The same rules as for cached reads: entries are signed and typed, carry the generations of their
scopes, and Redis being away is never an error. While Redis is up it alone is asked, so that all
workers agree; while it is away each worker's memory serves.

A deletion is a write: it bumps the scope of its key's slot, so it holds on every worker, survives
Redis coming back, and refuses what was loaded before it. A `set` after a look (`get`, `has`) that
found nothing is a fill: it carries the stamp of that look. Any other `set` is a write too, and
bumps where Redis cannot tell the other workers. As all writes, these do not belong into an open
unit of work.
"""

from collections.abc import Iterable
from dataclasses import replace
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
from cache.tiers import Found
from cache.values import ValueRefused, pack, unpack

__all__ = ["NAMESPACE", "VIEWS", "ViewCache"]

NAMESPACE = "views"
VIEWS = Scope(f"ns:{NAMESPACE}")
SHAPE = "1"
FOREVER_S = 10 * 365 * 86400
SLOTS = 256
MISSED = "larder_missed_views"
MAX_MISSED = 10_000
"""Keys that one request looks for in vain and may still fill; what it sets beyond is a write."""


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
        return self._get(key, self._stamp(key))

    def get_many(self, *keys: str) -> list[Any]:
        """The values, each or `None`; the database is asked once for all."""
        return [self._get(key, stamp) for key, stamp in zip(keys, self._stamps(keys), strict=True)]

    def has(self, key: str) -> bool:
        """Whether there is a value; a cached `None` counts."""
        found, stamp = self._find(key, self._stamp(key))
        if found.entry is not None:
            return True
        if key not in self._missed():  # what was looked for first was loaded from then on
            self._miss(key, stamp)
        return False

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value for `timeout` seconds (0: for ever; less: not at all).

        Raises:
            ValueRefused: its type would not come back the same.
        """
        return key in self.set_many({key: value}, timeout)

    def set_many(
        self, mapping: dict[str, Any], timeout: int | timedelta | None = None
    ) -> list[Any]:
        """Keep several values, with one bump at most; the keys of those that are kept.

        Raises:
            ValueRefused: a value's type would not come back the same.
        """
        missed = self._missed()
        stamps = {key: missed.pop(key) for key in mapping if key in missed}
        writes = mapping.keys() - stamps.keys()
        if writes:  # they are to be seen, however long ago the request began
            self._engine.generations.forget()
            stamps.update(zip(writes, self._stamps(writes), strict=True))
        kept: set[str] = set()
        unheard: dict[str, Entry] = {}  # writes that Redis cannot tell the other workers
        for key, value in mapping.items():
            entry = self._entry(key, value, timeout, stamps[key])
            keep = self._send if key in writes else partial(self._fill, key)
            if self._is_worth_keeping(entry) and keep(entry):
                kept.add(key)
            elif key in writes:
                unheard[key] = entry
        if unheard:
            kept.update(self._replace_here(unheard))
        return [key for key in mapping if key in kept]

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Keep a value if there is none."""
        if self.has(key):
            return False
        stamp = self._missed().pop(key, {}) or self._stamp(key)
        entry = self._entry(key, value, timeout, stamp)
        return self._is_worth_keeping(entry) and self._fill(key, entry)

    def version(self, keys: Iterable[str]) -> str:
        """What changes as soon as one of these keys is deleted: the same for every worker."""
        slots = [self._slot(key) for key in keys]
        stamp = self._engine.generations.stamp(slots)
        return ".".join(str(stamp[slot.name]) for slot in slots)

    def delete(self, key: str) -> bool:
        """Drop a value; whether there was one. Holds even if Redis cannot be told."""
        had = self._drop(key)
        self._bump(self._slot(key))
        return had

    def delete_many(self, *keys: str) -> list[Any]:
        """Drop these values; all of the keys: whatever was there is not served any more."""
        for key in keys:
            self._drop(key)
        if keys:
            self._bump(*{self._slot(key) for key in keys})
        return list(keys)

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
        return Scope(f"{NAMESPACE}:{crc32(str(key).encode()) % SLOTS}")

    def _stamp(self, key: str) -> Stamp:
        return self._engine.generations.stamp((self._slot(key), VIEWS, EVERYTHING))

    def _stamps(self, keys: Iterable[str]) -> list[Stamp]:
        """What an entry of each key must carry to be served, in one question."""
        slots = [self._slot(key) for key in keys]
        known = self._engine.generations.stamp({*slots, VIEWS, EVERYTHING}) if slots else {}
        shared = (VIEWS.name, EVERYTHING.name)
        stamps = {slot: {row: known[row] for row in (slot.name, *shared)} for slot in set(slots)}
        return [stamps[slot] for slot in slots]

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

    def _get(self, key: str, stamp: Stamp) -> Any:
        found, stamp = self._find(key, stamp)
        value, outcome, detail = None, Outcome.MISS, found.detail
        if found.entry is not None:
            try:
                value, outcome = unpack(found.entry.body), Outcome.HIT
            except ValueRefused:
                detail = "schema"
        self._engine.statistics.read(NAMESPACE, "get", outcome, detail)
        if value is None:  # a cached `None` is as nothing to the caller: a `set` after it is a fill
            self._miss(key, stamp)
        return value

    def _find(self, key: str, stamp: Stamp) -> tuple[Found, Stamp]:
        """What is there, and the stamp that it was held against.

        Whoever meets an entry that has seen more writes than this request asks the database again:
        in a request that goes on for long others may have set it meanwhile.
        """
        name = self._key(key)
        found = self._engine.find(name, SHAPE, stamp, is_shared=True)
        if found.detail == "stamp" and found.old and found.old.order > max(stamp.values()):
            self._engine.generations.forget()
            stamp = self._stamp(key)
            found = self._engine.find(name, SHAPE, stamp, is_shared=True)
        return found, stamp

    def _entry(self, key: str, value: Any, timeout: int | timedelta | None, stamp: Stamp) -> Entry:
        now_s = self._engine.clock.now().timestamp()
        ends_s, body = now_s + self._ttl_s(timeout), pack(value)
        if len(body) > self._engine.settings.entry_bytes:
            self._engine.statistics.count("refused", NAMESPACE)
        return Entry(self._key(key), SHAPE, stamp, now_s, ends_s, "", body)

    def _ttl_s(self, timeout: int | timedelta | None) -> int:
        seconds = self._normalize_timeout(timeout)
        return min(seconds, FOREVER_S) if seconds else FOREVER_S

    def _is_worth_keeping(self, entry: Entry) -> bool:
        """Whether it is small, and not over before it begins."""
        is_small = len(entry.body) <= self._engine.settings.entry_bytes
        return is_small and entry.expires_s > entry.created_s

    def _replace_here(self, entries: dict[str, Entry]) -> list[str]:
        """Have nobody serve what was there, and keep in memory what can be; the keys of that."""
        self.delete_many(*entries)
        return [
            key
            for (key, entry), stamp in zip(entries.items(), self._stamps(entries), strict=True)
            if self._is_worth_keeping(entry) and self._remember(replace(entry, stamp=stamp))
        ]

    def _fill(self, key: str, entry: Entry) -> bool:
        """Keep what was loaded after a miss, unless somebody was faster: theirs may be newer."""
        redis = self._redis()
        if redis is None:
            return self._remember(entry)
        name, ttl_s = self._engine.storage_key(entry.key), entry.expires_s - entry.created_s
        if redis.add(name, self._engine.codec.encode(entry), ttl_s):
            return True
        if self._has_value(key):
            return False
        return self._send(entry)  # what stood there could not be served

    def _has_value(self, key: str) -> bool:
        """Whether a `get` gives one that can be told from nothing."""
        entry = self._find(key, self._stamp(key))[0].entry
        try:
            return entry is not None and unpack(entry.body) is not None
        except ValueRefused:
            return False

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
