"""Claims: who is making something just now, so that others wait for it instead of making it too.

Held over all workers where Redis is up, else within one. A claim runs out by itself, so that a dead
holder blocks nobody for ever; it is advice, not a lock: nothing wrong may come of two holders.
What stands in Redis is signed like every entry, since followers are led by it.
"""

import threading
from dataclasses import dataclass, field

from cache.engine import CacheEngine
from cache.entries import Entry, EntryRefused

__all__ = ["Claims"]

SHAPE = "claim"
SETTLE_S = 5.0
"""How long Redis may take to say who holds a claim, for those who claim it in the same worker."""


@dataclass(slots=True)
class _Held:
    """A claim of this worker's.

    `settled` once Redis has said who holds it (`holder`); `ready` once there is something to
    follow, or it is over.
    """

    value: str
    ends_s: float
    holder: str
    settled: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)


class Claims:
    """The claims of one application in one process."""

    def __init__(self, engine: CacheEngine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._held: dict[str, _Held] = {}

    def claim(self, name: str, value: str, ttl_s: float) -> str | None:
        """Claim `name`, or learn what its holder said.

        Args:
            name: what is claimed; a key that names its owner.
            value: what others are told.
            ttl_s: seconds after which the claim is void.

        Returns:
            `None` for the new holder; else the value of the one that holds it.
        """
        now_s = self._engine.clock.now().timestamp()
        with self._guard:
            found = self._held.get(name)
            is_free = found is None or found.ends_s <= now_s
            if is_free:
                found = self._held[name] = _Held(value, now_s + ttl_s, value)
        assert found is not None  # noqa: S101 (made where there was none)
        if not is_free:
            found.settled.wait(SETTLE_S)
            return found.holder
        other = None
        try:
            other = self._claim_over_all(name, value, ttl_s)
        finally:
            if other is not None:
                found.holder = other
                self._drop(name, value)
            found.settled.set()
        return other

    def announce(self, name: str) -> None:
        """Say that there is something to follow: those who wait in this worker go on."""
        with self._guard:
            held = self._held.get(name)
        if held is not None:
            held.ready.set()

    def wait(self, name: str, timeout_s: float) -> None:
        """Wait until the holder has announced, or it is over; at once for another worker's."""
        with self._guard:
            held = self._held.get(name)
        if held is not None:
            held.ready.wait(timeout_s)

    def release(self, name: str, value: str) -> None:
        """Give up a claim that was made with `value`."""
        self._drop(name, value)
        if self._engine.redis is not None and self._standing(name) == value:
            self._engine.redis.delete(self._engine.storage_key(name))

    def _claim_over_all(self, name: str, value: str, ttl_s: float) -> str | None:
        """The value of another worker's claim, or `None` where there is none or no Redis."""
        redis = self._engine.redis
        if redis is None or not redis.is_up:
            return None
        entry = self._engine.entry(name, SHAPE, {}, value.encode(), ttl_s)
        if redis.add(self._engine.storage_key(name), self._engine.codec.encode(entry), ttl_s):
            return None
        return self._standing(name)

    def _standing(self, name: str) -> str | None:
        redis = self._engine.redis
        raw = redis.get(self._engine.storage_key(name)) if redis is not None else None
        if raw is None:
            return None
        try:
            entry: Entry = self._engine.codec.decode(name, raw, shape=SHAPE)
        except EntryRefused:
            return None
        return entry.body.decode()

    def _drop(self, name: str, value: str) -> None:
        with self._guard:
            held = self._held.get(name)
            if held is None or held.value != value:
                return
            del self._held[name]
        held.ready.set()
