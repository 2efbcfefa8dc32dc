"""Freshness classes: what a hit of a namespace promises, and the stamp that makes it true.

- `strict`: nothing older than a write acknowledged before the read. The stamp is read from the
  database after the request began.
- `bounded(s)`: at most `s` seconds older than that, by the monotonic clock; a worker reads its own
  writes at once. Generations that were read may be used again for `s` seconds.
- `immutable`: the key is a hash of all that the value depends on, so a value cannot age; it ends
  with its TTL or a purge. Its scopes are purge generations: no write to data raises them.
- `ttl`: somebody else's data, which no write here can tell of: at most its TTL old, or purged.

While the database is away, `immutable` and `ttl` go by the generations that this worker saw last.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from cache.generations import Generations, Stamp
from cache.scopes import Scope
from telemetry.clock import Clock

__all__ = ["IMMUTABLE", "NO_LEEWAY", "STRICT", "TTL", "Freshness", "Leeway", "Stamps", "bounded"]

MAX_KNOWN = 20_000
PURGES = ("ns:", "*")
"""What the rows begin with that are raised to end all that a namespace holds, or everything."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """One class.

    Attributes:
        name: `strict`, `bounded`, `immutable` or `ttl`.
        bound_s: seconds that validated generations may be used again.
        outlives_database: whether hits go on while generations cannot be read.
        is_derived: whether the value follows from the database, so that an audit can compare it.
    """

    name: str
    bound_s: float = 0.0
    outlives_database: bool = False
    is_derived: bool = True

    @property
    def value(self) -> str:
        """Its name with its bound, for people."""
        return f"{self.name}({self.bound_s:g})" if self.bound_s else self.name

    @property
    def status(self) -> str:
        """What `Cache-Status` says of it; nothing of the strict one, which is the rule."""
        if self.name == STRICT.name:
            return ""
        bound = f"; bound={self.bound_s:g}" if self.bound_s else ""
        return f"; freshness={self.name}{bound}"


STRICT = Freshness("strict")
IMMUTABLE = Freshness("immutable", outlives_database=True, is_derived=False)
TTL = Freshness("ttl", outlives_database=True, is_derived=False)


def bounded(seconds: float) -> Freshness:
    """The class whose hits may be `seconds` older than a strict one.

    Raises:
        ValueError: the bound is not above zero: say `STRICT`.
    """
    if not seconds > 0:
        raise ValueError("a bound is more than 0 seconds; without one, a namespace is strict")
    return Freshness("bounded", bound_s=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leeway:
    """What a resource allows beyond its class, said as stale where it is used. Times are seconds.

    Attributes:
        revalidate_s: how long after its TTL an entry whose stamp is current may be served while it
            is loaded anew (stale-while-revalidate, RFC 5861, section 3). A stamp that is current
            holds every acknowledged write, so even a strict namespace stays strict.
        if_error_s: how long after its TTL the last value may be served when the database or the
            loader is out of reach (stale-if-error, section 4). A write may be missing in it.
        soft_s: how long a reader waits for the load before it takes what `revalidate_s` allows.
        hard_s: how long a reader waits for a load at all.
    """

    revalidate_s: float = 0.0
    if_error_s: float = 0.0
    soft_s: float = 0.0
    hard_s: float | None = None

    @property
    def after_s(self) -> float:
        """How long an entry is of use after its TTL."""
        return max(self.revalidate_s, self.if_error_s)


NO_LEEWAY = Leeway()


@dataclass(frozen=True, slots=True)
class _Known:
    generation: int
    read_s: float


class Stamps:
    """Reads generations as a namespace's class allows.

    Args:
        generations: asks the database.
        clock: measures bounds.
    """

    def __init__(self, generations: Generations, clock: Clock) -> None:
        self._generations = generations
        self._clock = clock
        self._guard = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._forgotten = 0
        self.purges: dict[str, int] = {}
        """The highest generations of namespaces, and of everything, that this worker knows of."""

    def stamp(self, scopes: Iterable[Scope], freshness: Freshness) -> Stamp:
        """The generations that an entry of these scopes must carry to be served now.

        Raises:
            Exception: whatever the store raises when the database is away, where the class does
                not outlive it or nothing is known of these scopes.
        """
        if freshness is STRICT:
            found = self._generations.stamp(scopes)
        elif freshness.bound_s:
            found = self._bounded(tuple(scopes), freshness.bound_s)
        else:
            found = self._last_seen(tuple(scopes))
        for row, generation in found.items():
            if row.startswith(PURGES) and self.purges.get(row, -1) < generation:
                self._saw_purge(row, generation)
        return found

    def purged(self, rows: Iterable[str]) -> None:
        """This worker has raised `rows`: of what a purge ended nothing stands in any more."""
        for row in rows:
            if row.startswith(PURGES):
                self._saw_purge(row, self.purges.get(row, 0) + 1)

    def forget(self) -> None:
        """Know nothing any more: this worker has written, and reads its own writes."""
        with self._guard:
            self._forgotten += 1
            self._known.clear()

    def _saw_purge(self, row: str, generation: int) -> None:
        with self._guard:  # a request that goes on for long comes with what it read at its begin
            self.purges[row] = max(generation, self.purges.get(row, 0))

    def _bounded(self, scopes: tuple[Scope, ...], bound_s: float) -> Stamp:
        began_s, forgotten = self._clock.monotonic(), self._forgotten
        known = self._look(scopes, began_s - bound_s)
        if known is not None:
            return known
        # Past the memo of the request: that may be as old as the request.
        found = self._generations.now(scopes)
        self._learn(found, began_s, forgotten)
        return found

    def _last_seen(self, scopes: tuple[Scope, ...]) -> Stamp:
        began_s, forgotten = self._clock.monotonic(), self._forgotten
        try:
            found = self._generations.stamp(scopes)
        except Exception:
            known = self._look(scopes, float("-inf"))
            if known is None:
                raise
            return known
        self._learn(found, began_s, forgotten)
        return found

    def _look(self, scopes: tuple[Scope, ...], since_s: float) -> Stamp | None:
        """What is known of all rows and was read after `since_s`."""
        rows = [row for scope in scopes for row in scope.rows()]
        with self._guard:
            found = {row: known for row in rows if (known := self._known.get(row)) is not None}
        if len(found) < len(rows) or any(each.read_s <= since_s for each in found.values()):
            return None
        return {row: each.generation for row, each in found.items()}

    def _learn(self, stamp: Stamp, read_s: float, forgotten: int) -> None:
        with self._guard:
            if forgotten != self._forgotten:
                return  # read before a write of this worker ended: it may not have seen it
            for row, generation in stamp.items():
                self._known[row] = _Known(generation, read_s)
                self._known.move_to_end(row)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
