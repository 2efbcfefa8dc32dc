"""The tiers as one: memory in front, Redis behind; who may be served from them, and what is kept.

An older load never takes the place of a newer entry. What was stored while Redis was away is
carried up when it is next asked for, one entry at a time.
"""

import math
import random
from dataclasses import dataclass

from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.entries import Entry, EntryCodec, EntryRefused
from cache.generations import Stamp
from cache.results import etag_of
from cache.settings import CacheSettings
from telemetry.clock import Clock

__all__ = ["MEMORY", "REDIS", "Found", "Tiers", "is_early"]

JITTER = 0.1
BETA = 1.0
AFTERLIFE_S = 60.0
DAY_S = 86_400
MEMORY, REDIS = "memory", "redis"
UNSENT_S, DRAWN_S = 0.0, -1.0
"""Instants that have always come: every hit looks a second time at an entry that Redis has not, and
at one that a reader has drawn the lot to refresh."""


@dataclass(slots=True)
class Found:
    """What looking for an entry came to: the entry and its tier, or why there is none.

    Attributes:
        entry: the one to serve.
        detail: its tier, or why there is none.
        old: what was there and could not be served: `expired` with a current stamp, or `stamp`.
        is_early: its end is near, and it is this reader's lot to have it loaded anew.
    """

    entry: Entry | None
    detail: str
    old: Entry | None = None
    is_early: bool = False


class Tiers:
    """Memory and Redis of one worker.

    Args:
        settings: sizes, and which tier is asked first.
        memory: the memory tier.
        redis: the Redis tier, or `None` for memory alone.
        codec: entries to bytes and back.
        clock: where times are read.
    """

    def __init__(
        self,
        *,
        settings: CacheSettings,
        memory: MemoryCache,
        redis: RedisTier | None,
        codec: EntryCodec,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._redis = redis
        self._codec = codec
        self._clock = clock

    def storage_key(self, key: str) -> str:
        """The key that Redis knows it by."""
        return f"{self._settings.key_prefix}:{key}"

    def find(
        self,
        key: str,
        shape: str | None,
        stamp: Stamp | None,
        *,
        is_shared: bool = False,
        after_s: float = 0.0,
    ) -> Found:
        """Look for a servable entry.

        Args:
            key: its logical key.
            shape: the shape it must have; `None` for any.
            stamp: the generations it must carry; `None` for any.
            is_shared: ask Redis alone while it is up, so that all workers see the same.
            after_s: how long after its end an entry that came from Redis stays in memory at least.
        """
        memory_first = self._settings.memory_first and not is_shared
        redis = self.redis()
        here = Found(None, "absent")
        if memory_first or redis is None:
            here = self._find_in_memory(key, shape, stamp, is_shared=is_shared)
        if here.entry is not None or redis is None:
            return here
        there = self._find_in_redis(redis, key, shape, stamp)
        if there.entry is None and not memory_first and not redis.is_up:  # it has just gone away
            return self._find_in_memory(key, shape, stamp, is_shared=is_shared)
        if there.entry is not None and memory_first:
            self.remember(there.entry, after_s)
        if there.detail == "absent" or (there.entry is None and here.detail == "expired"):
            return here
        return there

    def judge(self, entry: Entry, shape: str | None, stamp: Stamp | None) -> Found:
        """Whether an entry that came from elsewhere can be served."""
        return self._judged(entry, MEMORY, shape, stamp)

    def store(self, entry: Entry, after_s: float = 0.0) -> bool:
        """Keep an entry in every tier that is there, for `after_s` seconds after its end as well.

        Returns:
            Whether it is within the size limit.
        """
        if len(entry.body) > self._settings.entry_bytes:
            return False
        redis = self.redis()
        if redis is None and self._redis is not None:
            entry.due_s = UNSENT_S
        self.remember(entry, after_s)
        if redis is not None:
            self._send(redis, entry, after_s)
        return True

    def remember(self, entry: Entry, after_s: float = 0.0) -> None:
        """Keep an entry in memory, unless a newer one is there."""
        now_s = self._now_s()
        lives_s = entry.expires_s - now_s + _after_s(entry, after_s)
        if entry.expires_s > now_s:
            self._memory.set(
                entry.key,
                entry,
                math.ceil(lives_s),
                size_bytes=entry.size_bytes,
                unless=lambda there: there.expires_s > now_s and there.is_newer_than(entry),
            )

    def entry(
        self, key: str, shape: str, stamp: Stamp, body: bytes, ttl_s: float, took_s: float = 0.0
    ) -> Entry:
        """A new entry that lives for about `ttl_s` seconds: spread, so that not all end at once."""
        now_s = self._now_s()
        spread = random.uniform(1 - JITTER, 1)  # noqa: S311 (jitter, no secret)
        ends_s = now_s + ttl_s * spread
        return Entry(key, shape, stamp, now_s, ends_s, etag_of(body), body, took_s=took_s)

    def decoded(self, key: str, raw: bytes, shape: str) -> Entry | None:
        """The entry of `key` in bytes that another worker has left, if it is one."""
        try:
            return self._codec.decode(key, raw, shape=shape)
        except EntryRefused:
            return None

    def encoded(self, entry: Entry) -> bytes:
        """An entry as signed bytes, for another worker."""
        return self._codec.encode(entry)

    def redis(self) -> RedisTier | None:
        """The Redis tier while it is up."""
        redis = self._redis
        return redis if redis is not None and redis.is_up else None

    def _find_in_memory(
        self, key: str, shape: str | None, stamp: Stamp | None, *, is_shared: bool
    ) -> Found:
        entry: Entry | None = self._memory.get(key)
        if entry is None or (is_shared and entry.raw):  # others may have set it anew in Redis
            return Found(None, "absent")
        return self._judged(entry, MEMORY, shape, stamp)

    def _find_in_redis(
        self, redis: RedisTier, key: str, shape: str | None, stamp: Stamp | None
    ) -> Found:
        raw = redis.get(self.storage_key(key))
        if raw is None:
            return Found(None, "absent")
        entry = self._read_before(key, raw)
        if entry is None:
            try:
                entry = self._codec.decode(key, raw, shape=shape)
            except EntryRefused as refused:
                return Found(None, refused.reason)
            entry.uses = 1  # somebody stored it, and here it is asked for
            if not self._settings.memory_first:
                entry.raw = raw
                self.remember(entry)
        return self._judged(entry, REDIS, shape, stamp)

    def _read_before(self, key: str, raw: bytes) -> Entry | None:
        """The entry that the same bytes gave last time: verifying them again costs more than Redis.

        Where memory comes first it would have served them.
        """
        if self._settings.memory_first:
            return None
        there: Entry | None = self._memory.get(key)
        return there if there is not None and raw and there.raw == raw else None

    def _judged(self, entry: Entry, tier: str, shape: str | None, stamp: Stamp | None) -> Found:
        """`entry` if it can be served, else why not: of two reasons the one no TTL would cure."""
        if shape is not None and entry.shape != shape:
            return Found(None, "schema")
        if stamp is not None and entry.stamp != stamp:
            return Found(None, "stamp", entry)
        now_s = self._now_s()
        if now_s < entry.due_s:
            return Found(entry, tier)
        return self._second_look(entry, tier, now_s)

    def _second_look(self, entry: Entry, tier: str, now_s: float) -> Found:
        """An entry that is over, near its end, or not in Redis yet."""
        if now_s >= entry.expires_s:
            return Found(None, "expired", entry)
        if entry.due_s == UNSENT_S and (redis := self.redis()) is not None:
            entry.due_s = entry.early_s
            self._send(redis, entry, 0.0)
        draw = random.random()  # noqa: S311 (no secret)
        if entry.due_s != DRAWN_S and is_early(entry, now_s, draw):
            entry.due_s = DRAWN_S
        return Found(entry, tier, is_early=entry.due_s == DRAWN_S)

    def _send(self, redis: RedisTier, entry: Entry, after_s: float) -> None:
        now_s = self._now_s()
        if entry.expires_s > now_s:
            kept_s = entry.expires_s - now_s + _after_s(entry, after_s)
            orders = (entry.order, int((now_s + DAY_S) * 1_000_000))
            redis.replace(self.storage_key(entry.key), self._codec.encode(entry), kept_s, orders)

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _after_s(entry: Entry, least_s: float) -> float:
    """How long an entry stays after its end: who asks then learns what a longer TTL would save."""
    return max(least_s, min(entry.expires_s - entry.created_s, AFTERLIFE_S))


def is_early(entry: Entry, now_s: float, draw: float) -> bool:
    """Whether it falls to this reader to refresh the entry before its end.

    XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB
    2015): the longer the load takes, and the more readers there are, the earlier one of them does.

    Args:
        entry: what was found.
        now_s: seconds since the epoch.
        draw: this reader's lot, evenly from 0 to below 1.
    """
    return entry.took_s > 0 and now_s - entry.took_s * BETA * math.log(1 - draw) >= entry.expires_s
