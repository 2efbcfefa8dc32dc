"""The Redis tier: bytes under keys, behind the circuit; a failure is a miss, never an error.

Every verb says what the answer is while Redis is away. What the server refuses for one command
(out of memory, a wrong type) is noted and passed over; what shows that it cannot be used at all
(refused, frozen, slow, loading, read-only, a failed login) opens the circuit.
"""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from redis.exceptions import InvalidResponse, OutOfMemoryError, ResponseError

from cache.circuit import Circuit, Outage
from cache.cluster import probe_keys, scan_step
from cache.connection import Connection, RedisClient
from cache.deadline import call_within
from cache.pace import Pace, Start
from cache.pool import fetch
from cache.redis_faults import (
    FAULTS,
    SlowAnswers,
    is_away,
    is_elsewhere,
    is_of_another_type,
    reason_of,
)
from cache.refusals import Refusals
from cache.settings import CacheSettings
from telemetry.clock import Clock

__all__ = ["RedisTier"]

T = TypeVar("T")
CALLS_AT_ONCE = 64
"""Calls of one worker under way; the pool has room for the streams' as well."""
PROBE_TTL_MS = 1000
SILENT = ("ConnectionError", "TimeoutError")
REPLACE_LUA = """
-- An entry is `LD3`, 16 bytes of signature and MessagePack whose first item is its order.
-- What is no string gives way to it.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 28)
if type(head) ~= 'string' then head = '' end
if #head == 29 and string.sub(head, 1, 3) == 'LD3' and string.byte(head, 21) == 207 then
  local order = 0
  for at = 22, 29 do order = order * 256 + string.byte(head, at) end
  if order > tonumber(ARGV[3]) and order < tonumber(ARGV[4]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


def _bytes_at(client: RedisClient, key: str) -> bytes | None:
    try:
        found = fetch(client, key)
    except ResponseError as fault:
        if is_of_another_type(fault):
            return b""
        raise
    if found is not None and not isinstance(found, bytes):
        raise InvalidResponse(f"GET was answered with a value of type {type(found).__name__}")
    return found


def _info_of(client: RedisClient, section: str) -> Any:
    try:
        return client.info(section)
    except ResponseError as fault:  # hosted ones forbid it, and so do ACLs without +info
        if is_away(fault):
            raise
        return {}


class RedisTier:
    """Redis as the engine sees it.

    Args:
        connection: gives the client.
        settings: its limits, and what every key begins with.
        clock: where times are read.
        on_error: told of every failure, by the kind of error and the key it was met at, if any.
        on_back: called when Redis is back.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        settings: CacheSettings,
        clock: Clock,
        on_error: Callable[[str, str], None],
        on_back: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._timeout_s = settings.timeout_s
        self._prefix = settings.key_prefix
        self._on_error = on_error
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(CALLS_AT_ONCE):
            self._turns.put(None)
        self._pace = Pace(settings.timeout_s)
        self._refusals = Refusals(clock)
        self.circuit = Circuit(
            probe=self._ping, pause_s=settings.probe_s, clock=clock, on_close=on_back
        )

    @property
    def is_up(self) -> bool:
        """Whether Redis is spoken to."""
        return not self.circuit.is_open

    @property
    def outages(self) -> tuple[Outage, ...]:
        """The times that it was away, or kept nothing, in the order that they began."""
        found = (*self.circuit.outages, *self._refusals.episodes)
        return tuple(sorted(found, key=lambda each: each.began_at))

    @property
    def why_away(self) -> str:
        """Why it was away last, for people: a password that is refused is no silence."""
        last = self.circuit.outages[-1] if self.circuit.outages else None
        if last is None or last.reason in SILENT:
            return "no Redis answers at REDIS_URL"
        return f"the Redis at REDIS_URL cannot be used: {last.reason} ({last.detail})"

    def client(self) -> RedisClient | None:
        """The client, or `None` while Redis is away or cannot be reached."""
        return self._ask(lambda client: client, None)

    def get(self, key: str) -> bytes | None:
        """The bytes of `key`; none, but no `None`, of what is no string."""
        return self._ask(lambda client: _bytes_at(client, key), None, key)

    def set(self, key: str, raw: bytes, ttl_s: float) -> bool:
        """Keep `raw` for `ttl_s` seconds; whether it was kept."""
        milliseconds = max(1, int(ttl_s * 1000))
        is_kept = bool(self._ask(lambda client: client.set(key, raw, px=milliseconds), 0, key))
        if is_kept:
            self._refusals.accepted()
        return is_kept

    def replace(self, key: str, raw: bytes, ttl_s: float, orders: tuple[int, int]) -> bool:
        """Keep the entry `raw` unless one of a higher order stands there; whether it was kept.

        Args:
            key: where.
            raw: the entry as signed bytes.
            ttl_s: seconds that it may stay.
            orders: its own, and one that is too high to be true.
        """
        milliseconds = max(1, int(ttl_s * 1000))
        answer = self._ask(
            lambda client: client.eval(REPLACE_LUA, 1, key, raw, milliseconds, *orders), None, key
        )
        if answer is not None:
            self._refusals.accepted()
        return bool(answer)

    def add(self, key: str, raw: bytes, ttl_s: float) -> bool:
        """Keep `raw` if there is nothing, in one step; whether it was kept."""
        milliseconds = max(1, int(ttl_s * 1000))
        kept = self._ask(lambda client: client.set(key, raw, px=milliseconds, nx=True), 0, key)
        return bool(kept)

    def delete(self, key: str) -> bool | None:
        """Drop `key`: whether there was one; `None` while Redis cannot be told."""
        return self._ask(lambda client: int(client.unlink(key)) > 0, None, key)

    def ttl_s(self, key: str) -> float | None:
        """Seconds that `key` still lives, or `None`."""
        left = self._ask(lambda client: int(client.pttl(key)), 0, key)
        return left / 1000 if left > 0 else None

    def run(self, script: str, key: str, *arguments: int) -> int | None:
        """What a Lua script on one key answers; `None` while Redis is away."""
        return self._ask(lambda client: int(client.eval(script, 1, key, *arguments)), None, key)

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO; empty while Redis is away, or does not tell. Of a cluster, one's."""
        found: dict[str, Any] = self._ask(lambda client: _info_of(client, section), {}) or {}
        nested = [each for each in found.values() if isinstance(each, dict)]
        return (
            nested[0]
            if nested and len(nested) == len(found) and ":" in next(iter(found))
            else found
        )

    def scan(self, pattern: str, cursor: int) -> tuple[int, Sequence[bytes]]:
        """One bounded step through the keys: the next cursor (0 at the end) and what it found.

        A cluster's primaries are walked one after the other; the cursor says which, too.
        """
        nothing: tuple[int, Sequence[bytes]] = (0, [])
        return self._ask(lambda client: scan_step(client, pattern, cursor), nothing)

    def report(self, fault: BaseException, key: str = "") -> None:
        """Hear of a failure that this or another user of the client has met, at a key or none."""
        self._on_error(reason_of(fault), key)
        if is_elsewhere(fault):
            self._connection.reset()
        if is_away(fault):
            self.circuit.fail(fault)
        else:
            self._refusals.refused(fault)

    def stop(self) -> None:
        """End the probing and close the connections."""
        self.circuit.stop()
        self._connection.reset()

    def _ping(self) -> None:
        try:
            with call_within(self._timeout_s):
                self._probe(self._connection.client())
        except FAULTS as fault:
            if is_elsewhere(fault):
                self._connection.reset()
            raise

    def _probe(self, client: RedisClient) -> None:
        client.ping()
        # A replica after a failover, or a server that cannot save, answers PING but takes no write.
        for key in probe_keys(client, f"{self._prefix}:probe"):
            start = Start()
            try:
                client.set(key, b"1", px=PROBE_TTL_MS)
            except OutOfMemoryError as fault:  # it is full, and there: what it holds can be read
                self._refusals.refused(fault)
            if self._pace.is_slow(start.waited_s()):
                raise SlowAnswers("still slow")

    def _ask(self, verb: Callable[[RedisClient], T], away: T, key: str = "") -> T:
        if self.circuit.is_open:
            return away
        try:
            with call_within(self._timeout_s):
                return self._in_turn(verb, away, key)
        except UnicodeEncodeError:  # a key that is no text is its caller's fault
            raise
        except FAULTS as fault:
            self.report(fault, key)
            return away

    def _in_turn(self, verb: Callable[[RedisClient], T], away: T, key: str) -> T:
        try:
            self._turns.get(timeout=self._timeout_s)
        except Empty:
            self._on_error("Busy", key)
            return away
        try:
            if self.circuit.is_open:  # it was opened while this call waited
                return away
            start = Start()
            answer = verb(self._connection.client())
            if self._pace.is_too_slow(start.at_s, start.waited_s()):
                self.report(SlowAnswers("slow answers, one after the other"))
            return answer
        finally:
            self._turns.put(None)
