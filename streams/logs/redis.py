"""Streams in Redis: one Redis Stream a log, beside it a sign of life and a note of its loss.

Keys of one stream share a hash tag, so that Redis Cluster keeps them together. An entry of the log
holds the events of one round of writes; its id is `0-<id of the last event + 1>`, so a reader that
has had event n goes on after `0-<n + 1>` wherever the rounds were cut.

The client is whatever the connection owner hands out, with its own time limits and without
retries; nothing here blocks on the server, so no connection is held while nothing happens.
"""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final

import msgspec
from redis.exceptions import RedisClusterException, RedisError

from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.protocol import Fetched, OutOfReach, WriteReply, Writing, Written

__all__ = ["MAX_ENTRIES", "RedisLogs", "RedisSource"]

RedisSource = Callable[[], Any]

# A wall against a runaway writer. A healthy log ends by its size in bytes long before.
MAX_ENTRIES: Final = 65_536
FETCH_ENTRIES: Final = 256
STOPS_AT_ONCE: Final = 1000
STOPS_TTL_S: Final = 30
CALLS_AT_ONCE: Final = 8
TURN_TIMEOUT_S: Final = 2.0
# In the set of a lost stream's ends; makes the set exist before any reader was told.
DECLARED: Final = b"declared"
UNREACHED = (
    RedisError,
    RedisClusterException,  # no node can be reached; it is no RedisError
    OSError,
)
FAULTS = (*UNREACHED, ValueError, TypeError, LookupError, AttributeError)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class RedisLogs:
    """`SharedLogs` on Redis 6.2 or newer, single, Sentinel or Cluster.

    Args:
        source: gives the current client (bytes in, bytes out), or `None` while Redis is not to be
            spoken to.
        prefix: begins every key.
        on_fault: hears of every failure to reach Redis, so that nobody else has to meet it too.
    """

    def __init__(
        self,
        source: RedisSource,
        *,
        limits: StreamLimits,
        prefix: str,
        on_fault: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._as_out_of_reach = _OutOfReachOnFault(on_fault)
        self._turns = _Turns()
        self._prefix = prefix
        self._log_ttl_ms = _milliseconds(limits.log_ttl_s)
        self._alive_ttl_ms = _milliseconds(limits.alive_ttl_s)
        # While the stream runs its log must outlast the finding that its worker is dead.
        self._running_ttl_ms = max(self._log_ttl_ms, 8 * self._alive_ttl_ms)

    def write(self, worker_id: str, writings: Sequence[Writing]) -> Written:
        """Do a round of writes, and take the requests to stop addressed to `worker_id`."""
        with self._as_out_of_reach:
            pipeline = self._client().pipeline(transaction=False)
            counts = [self._queue(pipeline, worker_id, writing) for writing in writings]
            pipeline.lpop(self._stops_key(worker_id), STOPS_AT_ONCE)
            replies = pipeline.execute(raise_on_error=False)
            stops = replies.pop()
            if isinstance(stops, Exception):
                raise stops
            return Written(_write_replies(writings, counts, replies), _texts(stops))

    def fetch(self, positions: Sequence[tuple[str, int]]) -> Sequence[Fetched]:
        """How these streams stand, with their events after the ids given."""
        with self._turns, self._as_out_of_reach:
            pipeline = self._client().pipeline(transaction=False)
            for stream_id, after in positions:
                log, alive, lost = self._keys(stream_id)
                pipeline.xrange(log, min=f"(0-{after + 1}", max="+", count=FETCH_ENTRIES)
                pipeline.get(alive)
                pipeline.smembers(lost)
            replies = pipeline.execute(raise_on_error=False)
            return [
                _fetched(position[1], *replies[index : index + 3])
                for index, position in zip(range(0, len(replies), 3), positions, strict=True)
            ]

    def request_stop(self, stream_id: str) -> None:
        """Ask the stream's worker to stop it, if one gives signs of life."""
        with self._turns, self._as_out_of_reach:
            client = self._client()
            owner = client.get(self._keys(stream_id)[1])
            if owner is None:
                return
            stops = self._stops_key(owner.decode())
            pipeline = client.pipeline(transaction=False)
            pipeline.rpush(stops, stream_id)
            pipeline.expire(stops, STOPS_TTL_S)
            pipeline.execute()

    def declare_lost(self, stream_id: str) -> None:
        """The producer counts as dead from now on, to itself too."""
        self._note(stream_id, DECLARED)

    def mark_end(self, stream_id: str, event_id: int) -> None:
        """A reader was told of the loss under this id."""
        self._note(stream_id, b"%d" % event_id)

    def _note(self, stream_id: str, member: bytes) -> None:
        with self._turns, self._as_out_of_reach:
            lost = self._keys(stream_id)[2]
            pipeline = self._client().pipeline(transaction=False)
            pipeline.sadd(lost, member)
            pipeline.pexpire(lost, self._running_ttl_ms)
            pipeline.execute()

    def _queue(self, pipeline: Any, worker_id: str, writing: Writing) -> int:
        """Put one stream's commands on the pipeline; returns how many they are."""
        log, alive, lost = self._keys(writing.stream_id)
        before = len(pipeline)
        if writing.afresh:
            pipeline.unlink(log)
        if writing.events:
            last = writing.events[-1]
            # Worded here: the client's own wording takes as long as all the rest of it.
            pipeline.execute_command(
                "XADD", log, "MAXLEN", "~", MAX_ENTRIES, b"0-%d" % (last.id + 1),
                b"e", _encode([(event.name, event.data) for event in writing.events]),
                b"t", b"1" if last.terminal else b"0",
            )  # fmt: skip
        if writing.refresh:
            pipeline.set(alive, worker_id, px=self._alive_ttl_ms)
            pipeline.pexpire(log, self._running_ttl_ms)
        if writing.closes:
            pipeline.pexpire(log, self._log_ttl_ms)
            pipeline.delete(alive)
        if writing.refresh or writing.closes:
            pipeline.xlen(log)
            pipeline.exists(lost)
        return len(pipeline) - before

    def _client(self) -> Any:
        client = self._source()
        if client is None:
            raise OutOfReach("Redis is not to be spoken to.")
        return client

    def _keys(self, stream_id: str) -> tuple[str, str, str]:
        base = f"{self._prefix}:stream:{{{stream_id}}}"
        return f"{base}:log", f"{base}:alive", f"{base}:lost"

    def _stops_key(self, worker_id: str) -> str:
        return f"{self._prefix}:worker:{{{worker_id}}}:stops"


class _Turns:
    """Lets a few at a time through, so that a rush of readers leaves connections for the rest."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(CALLS_AT_ONCE)

    def __enter__(self) -> None:
        if not self._free.acquire(timeout=TURN_TIMEOUT_S):
            raise OutOfReach("Too many wait for Redis.")

    def __exit__(self, *_: object) -> None:
        self._free.release()


class _OutOfReachOnFault:
    """Turns whatever Redis, its client or its bytes can do wrong into `OutOfReach`."""

    def __init__(self, on_fault: Callable[[BaseException], None]) -> None:
        self._on_fault = on_fault

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(fault, UNREACHED):
            self._on_fault(fault)
        if isinstance(fault, FAULTS):
            raise OutOfReach(type(fault).__name__) from fault


def _write_replies(
    writings: Sequence[Writing], counts: Sequence[int], replies: Sequence[Any]
) -> Sequence[WriteReply]:
    results = []
    start = 0
    for writing, count in zip(writings, counts, strict=True):
        mine = replies[start : start + count]
        start += count
        if any(isinstance(reply, Exception) for reply in mine):
            results.append(WriteReply(ok=False))
        elif writing.refresh or writing.closes:
            results.append(WriteReply(ok=True, entries=mine[-2], lost=bool(mine[-1])))
        else:
            results.append(WriteReply(ok=True))
    return results


def _fetched(after: int, entries: Any, owner: Any, members: Any) -> Fetched:
    try:
        return Fetched(
            events=[event for entry in entries for event in _events(*entry) if event.id > after],
            more=len(entries) >= FETCH_ENTRIES,
            owner=owner.decode() if owner else None,
            lost=bool(members),
            ends={int(member) for member in members if member != DECLARED},
        )
    except (KeyError, ValueError, TypeError, AttributeError, msgspec.MsgspecError):
        return Fetched(damaged=True)


def _events(entry_id: bytes, fields: dict[bytes, bytes]) -> list[Event]:
    """The events of one entry. Its bytes are not trusted: whatever is odd about them raises."""
    drafts = _decode(fields[b"e"])
    last = int(entry_id.partition(b"-")[2]) - 1
    is_end = fields[b"t"] == b"1"
    return [
        Event(event_id, name, line, terminal=is_end and event_id == last)
        for event_id, (name, line) in enumerate(drafts, start=last - len(drafts) + 1)
    ]


def _texts(values: Any) -> list[str]:
    return [value.decode() for value in values or ()]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
