"""Entries as admins see them: listed, read, set and dropped, without ever blocking Redis.

While Redis is up it is what is looked at, so that every worker shows the same; else this worker's
memory. Keys are walked in bounded steps (SCAN), never all at once.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from cache.backends.redis import RedisTier
from cache.cluster import SCAN_STEP
from cache.engine import CacheEngine
from cache.entries import Entry, EntryRefused
from cache.redis_faults import FAULTS

__all__ = ["EntryCount", "Inspector", "KeyPage", "KeyPosition"]

MAX_STEPS = 40
SAMPLED = 10
UNLINK_BATCH = 500
GLOB = re.compile(r"([\[\]*?\\^])")


class KeyPosition(NamedTuple):
    """A place in the walk over all keys: behind `key` among those of one of SCAN's steps.

    Memory is walked in one step.
    """

    step: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, and where to go on; `None` is the end."""

    keys: tuple[str, ...]
    next: KeyPosition | None


@dataclass(frozen=True, slots=True)
class EntryCount:
    """How many entries a namespace has; `is_complete` is false where counting stopped early.

    `size_bytes` are this worker's memory's; `redis_bytes` are reckoned from a few of its keys.
    """

    entries: int
    size_bytes: int
    is_complete: bool
    redis_bytes: int = 0


class Inspector:
    """Looks into the tiers of one engine."""

    def __init__(self, engine: CacheEngine) -> None:
        self._engine = engine

    def keys(
        self, namespace: str, owner: str | None, prefix: str, after: KeyPosition, limit: int
    ) -> KeyPage:
        """Logical keys of a namespace, `limit` at most and a bounded step's worth.

        Args:
            namespace: whose.
            owner: one owner's only; `None` for all, empty for a public namespace.
            prefix: what follows the owner in the key.
            after: where the last page ended.
            limit: of the page.
        """
        redis = self._redis()
        if redis is None:
            found = sorted(
                key
                for key, _, _ in self._engine.memory.items()
                if _is_of(key, namespace, owner, prefix) and key > after.key
            )
            return _page(found, limit, 0, None)
        head = "*" if owner is None else _plain(owner)
        pattern = _plain(self._engine.storage_key("")) + f"{namespace}:{head}:{_plain(prefix)}*"
        skip = len(self._engine.storage_key(""))
        at = after
        for _ in range(MAX_STEPS):
            # A step that is taken again, from the same cursor, gives the same keys.
            following, raws = redis.scan(pattern, at.step)
            names = {raw.decode(errors="replace")[skip:] for raw in raws}
            found = sorted(key for key in names if key > at.key)
            page = _page(found, limit, at.step, KeyPosition(following) if following else None)
            if page.keys or page.next is None:
                return page
            at = page.next
        return KeyPage((), at)

    def entry(self, key: str) -> tuple[Entry, str] | None:
        """The entry of a logical key, servable or not, and the tier it stands in."""
        redis = self._redis()
        if redis is None:
            found: Entry | None = self._engine.memory.get(key)
            return None if found is None else (found, "memory")
        raw = redis.get(self._engine.storage_key(key))
        if raw is None:
            return None
        try:
            return self._engine.codec.decode(key, raw), "redis"
        except EntryRefused:
            return None

    def drop(self, key: str) -> None:
        """Drop one entry from the tiers at hand."""
        self._engine.memory.delete(key)
        redis = self._redis()
        if redis is not None:
            redis.delete(self._engine.storage_key(key))

    def count(self, namespace: str) -> EntryCount:
        """How many entries a namespace has now, and their bytes; bounded work."""
        return self.counts(namespace).get(namespace, EntryCount(0, 0, is_complete=True))

    def counts(self, namespace: str = "*") -> dict[str, EntryCount]:
        """How many entries each namespace has now, and their bytes, in one bounded walk.

        Redis's part is the number of keys (reckoned from a part of them where there are too many to
        walk over) and, from some of them, what they take up.
        """
        sizes: dict[str, list[int]] = defaultdict(list)
        for key, size, _ in self._engine.memory.items():
            sizes[key.partition(":")[0]].append(size)
        redis = self._redis()
        if redis is None:
            return {
                name: EntryCount(len(each), sum(each), is_complete=True)
                for name, each in sizes.items()
            }
        keys, share = self._walked(redis, namespace)
        return {
            name: EntryCount(
                entries=round(len(keys[name]) / share),
                size_bytes=sum(sizes[name]),
                is_complete=share == 1,
                redis_bytes=int(len(keys[name]) / share * _mean_bytes(redis, keys[name][:SAMPLED])),
            )
            for name in sizes.keys() | keys.keys()
        }

    def _walked(self, redis: RedisTier, namespace: str) -> tuple[dict[str, list[bytes]], float]:
        """Keys by namespace, and about what share of all there are they are."""
        head = self._engine.storage_key("")
        skip = len(head.encode())
        name = namespace if namespace == "*" else _plain(namespace)
        found: dict[str, list[bytes]] = defaultdict(list)
        at = steps = 0
        while steps < MAX_STEPS and not (steps and at == 0):
            at, keys = redis.scan(f"{_plain(head)}{name}:*", at)
            steps += 1
            for key in keys:
                found[key[skip:].partition(b":")[0].decode(errors="replace")].append(key)
        return found, 1 if at == 0 else min(1.0, steps * SCAN_STEP / max(1, _size(redis)))

    def reclaim(self, namespace: str) -> None:
        """Free the bytes of a cleared namespace, in the background: it is unservable already."""
        head = f"{namespace}:"
        self._engine.memory.drop_where(lambda entry: entry.key.startswith(head))
        redis = self._redis()
        if redis is not None:
            pattern = f"{_plain(self._engine.storage_key(''))}{_plain(namespace)}:*"
            threading.Thread(
                target=_unlink, args=(redis, pattern), name="cache-reclaim", daemon=True
            ).start()

    def _redis(self) -> RedisTier | None:
        redis = self._engine.redis
        return redis if redis is not None and redis.is_up else None


def _page(found: Sequence[str], limit: int, step: int, following: KeyPosition | None) -> KeyPage:
    """The first of `found`, the keys of a step; then the rest of them, or what follows."""
    shown = tuple(found[:limit])
    return KeyPage(shown, KeyPosition(step, shown[-1]) if len(found) > limit else following)


def _is_of(key: str, namespace: str, owner: str | None, prefix: str) -> bool:
    head, of, rest = (*key.split(":", 2), "", "")[:3]
    return head == namespace and (owner is None or of == owner) and rest.startswith(prefix)


def _size(redis: RedisTier) -> int:
    """How many keys there are, of whomever."""
    client = redis.client()
    if client is None:
        return 0
    try:
        size = client.dbsize()
        return int(sum(size.values()) if isinstance(size, dict) else size)
    except FAULTS as fault:
        redis.report(fault)
        return 0


def _mean_bytes(redis: RedisTier, keys: Sequence[bytes]) -> float:
    """What one of these takes up in Redis, on average; each question costs it the same."""
    client = redis.client() if keys else None
    if client is None:
        return 0.0
    try:
        return float(sum(client.memory_usage(key) or 0 for key in keys)) / len(keys)
    except FAULTS as fault:
        redis.report(fault)
        return 0.0


def _plain(text: str) -> str:
    """`text` for a pattern, its own special characters escaped."""
    return GLOB.sub(r"\\\1", text)


def _unlink(redis: RedisTier, pattern: str) -> None:
    client = redis.client()
    if client is None:
        return
    try:
        keys: Iterator[bytes] = client.scan_iter(match=pattern, count=UNLINK_BATCH)
        while batch := list(islice(keys, UNLINK_BATCH)):
            pipe = client.pipeline(transaction=False)
            for key in batch:  # one by one: in a cluster they live on different nodes
                pipe.unlink(key)
            pipe.execute()
    except FAULTS as fault:
        redis.report(fault)
