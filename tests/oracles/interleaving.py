"""Every interleaving of a few writers and readers of one cached value, and what goes wrong in them.

An explicit-state search: processes advance one atomic step at a time in every order, writers may be
killed between any two steps, Redis may be flushed, saved and restored from that snapshot at any
moment, and generations may be purged. Two oracles judge:
no read serves less than was acknowledged before it began, and once all is quiet no servable entry
differs from the database.

Known-bad protocols are here too: an oracle that finds nothing in them would prove nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["BAD", "OURS", "Findings", "Protocol", "search"]

DONE = -1


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a writer and a reader do, step by step.

    Attributes:
        write: the steps of a write: `commit` the new value, `bump` the database's generation
            (`commit+bump` does both in one transaction), `count` up Redis' own generation, `delete`
            the entry, `ack`.
        read: the steps of a read: take the generation of the database as a `stamp` (or of Redis:
            `redis-stamp`), `look` in Redis and serve a hit, `join` a flight or lead one, `load` the
            value, `store` it under the stamp, `serve` it.
        is_stamped: whether an entry is served only under the generation it was stored with.
        stamps_in_redis: whether that generation is Redis' own.
        flights_have_stamps: whether a reader joins only a flight of its own stamp.
        purges_wait: whether a generation's row is purged only when no entry older than its last
            bump can be left: such entries have expired, in a snapshot of Redis too, and their
            loaders have ended.
    """

    write: tuple[str, ...]
    read: tuple[str, ...]
    is_stamped: bool = True
    stamps_in_redis: bool = False
    flights_have_stamps: bool = True
    purges_wait: bool = True


OURS = {
    "generation in the write's transaction": Protocol(
        ("commit+bump", "ack"), ("stamp", "look", "load", "store", "serve")
    ),
    "the same, with one load for all": Protocol(
        ("commit+bump", "ack"), ("stamp", "look", "join", "load", "store", "serve")
    ),
    "the same, refreshing what is still good": Protocol(
        ("commit+bump", "ack"), ("stamp", "load", "store", "serve")
    ),
}
BAD = {
    "delete after commit": Protocol(
        ("commit", "delete", "ack"), ("look", "load", "store", "serve"), is_stamped=False
    ),
    "stamp after the data": Protocol(
        ("commit+bump", "ack"), ("stamp", "look", "load", "stamp", "store", "serve")
    ),
    "generation in Redis alone": Protocol(
        ("count", "commit", "count", "ack"),
        ("redis-stamp", "look", "load", "store", "serve"),
        stamps_in_redis=True,
    ),
    "bump in a transaction of its own": Protocol(
        ("commit", "bump", "ack"), ("stamp", "look", "load", "store", "serve")
    ),
    "one load for all, whatever their stamps": Protocol(
        ("commit+bump", "ack"),
        ("stamp", "look", "join", "load", "store", "serve"),
        flights_have_stamps=False,
    ),
    "generations purged before their entries": Protocol(
        ("commit+bump", "ack"), ("stamp", "look", "load", "store", "serve"), purges_wait=False
    ),
}


class _Redis(NamedTuple):
    entry: tuple[int, int] | None = None  # value, stamp
    counted: int = 0


class _Reader(NamedTuple):
    step: int = 0
    least: int = DONE  # what was acknowledged when it began
    stamp: int = DONE
    value: int = DONE
    leads: bool = False


class _Writer(NamedTuple):
    step: int = 0
    version: int = DONE  # what it committed


class _State(NamedTuple):
    writers: tuple[_Writer, ...]
    readers: tuple[_Reader, ...]
    version: int = 0
    generation: int = 0  # nought if there is no row
    highest: int = 0  # that there ever was, which the clock sees to
    acknowledged: int = 0
    redis: _Redis = _Redis()
    saved: _Redis | None = None
    faults: frozenset[str] = frozenset()
    flights: frozenset[tuple[int, int]] = frozenset()  # stamp; value, or DONE while it is loaded


@dataclass(slots=True)
class Findings:
    """What was found.

    Attributes:
        states: how many there are.
        stale: the steps that served less than was acknowledged before the read began.
        wrong: the quiet states in which a servable entry differs from the database.
    """

    states: int = 0
    stale: int = 0
    wrong: int = 0


def search(
    protocol: Protocol, *, writers: int, readers: int, faults: tuple[str, ...] = ()
) -> Findings:
    """Visit every state that can be reached.

    Args:
        protocol: what the processes do.
        writers: how many there are.
        readers: how many there are.
        faults: what may happen, once each: Redis' `flush`, `save`, `restore`, and a `purge`.
    """
    findings = Findings()
    start = _State((_Writer(),) * writers, (_Reader(),) * readers, faults=frozenset(faults))
    seen, open_states = {start}, [start]
    while open_states:
        state = open_states.pop()
        findings.wrong += _is_wrong(protocol, state)
        for after in _steps(protocol, state, findings):
            # Which of several alike processes is where makes no difference.
            one = after._replace(
                writers=tuple(sorted(after.writers)), readers=tuple(sorted(after.readers))
            )
            if one not in seen:
                seen.add(one)
                open_states.append(one)
    findings.states = len(seen)
    return findings


def _is_wrong(protocol: Protocol, state: _State) -> bool:
    """Whether all is quiet and the next read would be served something else than is stored."""
    if any(writer.step != DONE for writer in state.writers) or state.redis.entry is None:
        return False
    if any(reader.step != DONE for reader in state.readers):
        return False
    value, stamp = state.redis.entry
    present = state.redis.counted if protocol.stamps_in_redis else state.generation
    return value != state.version and (stamp == present or not protocol.is_stamped)


def _steps(protocol: Protocol, state: _State, findings: Findings) -> Iterator[_State]:
    for number, writer in enumerate(state.writers):
        if writer.step != DONE:
            yield _at(state, number, _Writer(DONE))  # killed
            yield _write(protocol, state, number, writer)
    for number, reader in enumerate(state.readers):
        if reader.step != DONE:
            yield from _Turn(protocol, state, number, findings).taken()
    yield from _faults(protocol, state)


def _at(state: _State, number: int, writer: _Writer) -> _State:
    return state._replace(writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))


def _write(protocol: Protocol, state: _State, number: int, writer: _Writer) -> _State:
    """One step of a writer."""
    word, redis = protocol.write[writer.step], state.redis
    if "commit" in word:
        writer = writer._replace(version=state.version + 1)
        state = state._replace(version=writer.version)
    if "bump" in word:
        state = state._replace(generation=state.highest + 1, highest=state.highest + 1)
    if word == "count":
        state = state._replace(redis=redis._replace(counted=redis.counted + 1))
    if word == "delete":
        state = state._replace(redis=redis._replace(entry=None))
    if word == "ack":
        state = state._replace(acknowledged=max(state.acknowledged, writer.version))
    is_last = writer.step + 1 == len(protocol.write)
    return _at(state, number, _Writer(DONE) if is_last else writer._replace(step=writer.step + 1))


def _faults(protocol: Protocol, state: _State) -> Iterator[_State]:
    for fault in state.faults:
        left = state._replace(faults=state.faults - {fault})
        if fault == "flush":
            yield left._replace(redis=_Redis())
        elif fault == "save":
            yield left._replace(saved=state.redis)
        elif fault == "restore" and state.saved is not None:
            yield left._replace(redis=state.saved)
        elif fault == "purge":
            yield from _purged(protocol, left)


def _purged(protocol: Protocol, state: _State) -> Iterator[_State]:
    state = state._replace(generation=0)
    if not protocol.purges_wait:
        yield state
    elif all(reader.step in {0, DONE} for reader in state.readers):
        saved = None if state.saved is None else state.saved._replace(entry=None)
        yield state._replace(redis=state.redis._replace(entry=None), saved=saved)


class _Turn:
    """One step of a reader."""

    def __init__(self, protocol: Protocol, state: _State, number: int, findings: Findings) -> None:
        reader = state.readers[number]
        if reader.least == DONE:
            reader = reader._replace(least=state.acknowledged)
        self._protocol = protocol
        self._state = state
        self._number = number
        self._findings = findings
        self._word = protocol.read[reader.step]
        self._reader = reader._replace(step=reader.step + 1)

    def taken(self) -> Iterator[_State]:
        """What it can come to."""
        state, reader = self._state, self._reader
        if self._word == "stamp":
            yield self._become(reader._replace(stamp=state.generation))
        elif self._word == "redis-stamp":
            yield self._become(reader._replace(stamp=state.redis.counted))
        elif self._word == "look":
            yield self._look(state.redis.entry)
        elif self._word == "join":
            yield from self._join()
        elif self._word == "load":
            yield self._load()
        elif self._word == "store":
            entry = (reader.value, reader.stamp)
            yield self._become(reader, redis=state.redis._replace(entry=entry))
        else:
            own = {(reader.stamp, reader.value)} if reader.leads else set()
            yield self._serve(reader.value, flights=state.flights - own)

    def _become(self, reader: _Reader, **changes: Any) -> _State:
        readers = list(self._state.readers)
        readers[self._number] = reader
        return self._state._replace(readers=tuple(readers), **changes)

    def _serve(self, value: int, **changes: Any) -> _State:
        self._findings.stale += value < self._reader.least
        return self._become(_Reader(DONE), **changes)

    def _look(self, entry: tuple[int, int] | None) -> _State:
        if entry is None or (self._protocol.is_stamped and entry[1] != self._reader.stamp):
            return self._become(self._reader)
        return self._serve(entry[0])

    def _join(self) -> Iterator[_State]:
        flights = [
            each
            for each in self._state.flights
            if each[0] == self._reader.stamp or not self._protocol.flights_have_stamps
        ]
        for _, value in flights:
            # It waits while nothing has come: for a while, then it loads for itself.
            yield self._become(self._reader) if value == DONE else self._serve(value)
        if not flights:
            begun = self._state.flights | {(self._reader.stamp, DONE)}
            yield self._become(self._reader._replace(leads=True), flights=begun)

    def _load(self) -> _State:
        value, flights = self._state.version, self._state.flights
        if self._reader.leads:
            flights = flights - {(self._reader.stamp, DONE)} | {(self._reader.stamp, value)}
        return self._become(self._reader._replace(value=value), flights=flights)
