"""Turns to load: one loader for each key and stamp among all workers.

While Redis is up a turn is a lease in it: taken with `SET NX PX`, given back by a script that
deletes nobody else's, and over by itself if its holder dies. While Redis is away it is a lock of
the machine or of the database (`LoadLocks`). Turns save loads; what is fresh does not depend on
them, so wherever none can be had the load simply goes on.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import structlog

from cache.backends.redis import RedisTier

__all__ = ["Leases", "LoadLocks", "Turn", "within_turn"]

log = structlog.get_logger(__name__)
TOKEN_BITS = 62
TAKE_LUA = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
-- What stays for ever, or for longer than a lease, is none: it would hold up every load.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE_LUA = """
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

_is_within_turn: ContextVar[bool] = ContextVar("cache_is_within_turn", default=False)


@contextmanager
def within_turn() -> Iterator[None]:
    """Have loads within the block go without locks.

    Names share locks: who holds one and asks for another might wait for itself.
    """
    token = _is_within_turn.set(True)
    try:
        yield
    finally:
        _is_within_turn.reset(token)


class Turn(Protocol):
    """The right to load, until it is released."""

    def left(self) -> bytes | None:
        """What the holder before has left for the next one, where there is no Redis to leave it."""
        ...

    def leave(self, raw: bytes) -> None:
        """Leave what was loaded for the next holder."""
        ...

    def release(self) -> None:
        """Let the next one."""
        ...


class LoadLocks(Protocol):
    """Locks among workers, for the time that Redis is away."""

    def try_hold(self, name: str) -> Turn | None:
        """Take the lock `name`, or learn at once that somebody has it.

        Raises:
            Exception: it cannot be told; nobody waits for such a lock.
        """
        ...

    def close(self) -> None:
        """End what was kept for it."""
        ...


class _Free:
    """A turn that nobody counts."""

    def left(self) -> bytes | None:
        return None

    def leave(self, raw: bytes) -> None:
        del raw

    def release(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _RedisLease:
    """A turn that Redis keeps; what was loaded is found there as every entry is."""

    redis: RedisTier
    key: str
    token: int

    def left(self) -> bytes | None:
        return None

    def leave(self, raw: bytes) -> None:
        del raw

    def release(self) -> None:
        self.redis.run(RELEASE_LUA, self.key, self.token)


@dataclass(frozen=True, slots=True)
class _Nested:
    """Several locks as one turn, the outermost first; the first one hands over.

    Whatever fails in that (a full disk, say) costs a load, and no reader its answer.
    """

    turns: tuple[Turn, ...]

    def left(self) -> bytes | None:
        try:
            return self.turns[0].left()
        except Exception as fault:  # noqa: BLE001 (as above)
            log.warning("load_not_taken_over", reason=str(fault))
            return None

    def leave(self, raw: bytes) -> None:
        try:
            self.turns[0].leave(raw)
        except Exception as fault:  # noqa: BLE001 (as above)
            log.warning("load_not_handed_over", reason=str(fault))

    def release(self) -> None:
        for turn in reversed(self.turns):
            try:
                turn.release()
            except Exception:  # the load is done; a lock ends with its connection at the latest
                log.warning("load_lock_not_released", exc_info=True)


class Leases:
    """Gives turns.

    Args:
        redis: keeps leases; `None`: there are only locks.
        locks: what stands in for it, the nearest first.
        prefix: what every Redis key begins with.
        lease_s: seconds after which a lease is over, whatever became of its holder.
    """

    def __init__(
        self, *, redis: RedisTier | None, locks: Sequence[LoadLocks], prefix: str, lease_s: float
    ) -> None:
        self._redis = redis
        self._locks = tuple(locks)
        self._prefix = prefix
        self._lease_s = lease_s

    def take(self, name: str, *, waited_s: float = 0.0) -> Turn | None:
        """Take the turn `name`, or `None`: somebody else has it. Never waits, never fails.

        Args:
            name: of what is to be loaded, and under which stamp.
            waited_s: seconds that the caller has tried for it already.
        """
        redis = self._redis
        if redis is not None and redis.is_up:
            key, token = f"{self._prefix}:lease:{name}", secrets.randbits(TOKEN_BITS)
            is_taken = redis.run(TAKE_LUA, key, token, max(1, int(self._lease_s * 1000)))
            if is_taken is not None:
                return _RedisLease(redis, key, token) if is_taken else None
        if _is_within_turn.get():
            return _Free()
        # A lock is held for as long as its holder hangs; those who wait then turn to another one.
        return self._hold(name if waited_s < self._lease_s else f"{name}.again")

    def close(self) -> None:
        """End what the locks keep."""
        for locks in self._locks:
            locks.close()

    def _hold(self, name: str) -> Turn | None:
        held: list[Turn] = []
        for locks in self._locks:
            try:
                turn = locks.try_hold(name)
            except Exception as fault:  # noqa: BLE001 (a lock that cannot be had holds up nobody)
                log.debug("load_lock_out_of_reach", reason=type(fault).__name__)
                continue
            if turn is None:
                _Nested(tuple(held)).release()
                return None
            held.append(turn)
        return _Nested(tuple(held)) if held else _Free()
