"""Loading what is not there: once for all who ask at once, in this worker and in the others.

Within a worker readers share a flight; between workers its leader takes a turn (`cache.leases`).
Who has no turn looks again and again, with growing pauses, whether the other's entry has come,
tries for the turn, and at the deadline loads for itself: a turn saves loads, it costs no answer.
"""

import random
import time
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from cache.background import Background
from cache.entries import Entry
from cache.generations import Stamp
from cache.leases import Leases, Turn, within_turn
from cache.reads import ReadCall
from cache.results import encode_body
from cache.settings import CacheSettings
from cache.singleflight import SingleFlight
from cache.statistics import Statistics
from cache.tiers import Tiers
from telemetry.clock import Clock

__all__ = ["Loader", "LoaderTimeout", "Loading"]

LOADER = "loader"
FIRST_PAUSE_S, LONGEST_PAUSE_S, GROWTH = 0.005, 0.1, 1.5
WORTH_LEAVING_S = 0.01
"""A load that took less is sooner done again than handed over in a file."""


class LoaderTimeout(TimeoutError):
    """A load did not end within its resource's hard limit. Should it end later, it is kept."""


@dataclass(frozen=True, slots=True)
class Loading:
    """What a load came to; `is_shared`: another reader or worker has done it."""

    entry: Entry
    is_shared: bool


class Loader:
    """Loads and keeps.

    Args:
        settings: how long one waits for another, and the operator's TTLs.
        tiers: where entries are kept.
        leases: gives turns among workers.
        background: runs loads that have a hard limit.
        statistics: where loads are counted and timed.
        clock: where times are read.
    """

    def __init__(
        self,
        *,
        settings: CacheSettings,
        tiers: Tiers,
        leases: Leases,
        background: Background,
        statistics: Statistics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._tiers = tiers
        self._leases = leases
        self._background = background
        self._statistics = statistics
        self._clock = clock
        self._flights: SingleFlight[Loading] = SingleFlight(wait_s=settings.wait_s)

    def load(self, call: ReadCall, stamp: Stamp, *, since_s: float = 0.0) -> Loading:
        """The entry of `call` under `stamp`: loaded here, or by whoever is loading it.

        Args:
            call: whose loader is to be run.
            stamp: read before this call: the value is never older than it says.
            since_s: an entry that was made at this instant or before is not taken (seconds since
                the epoch).

        Raises:
            LoaderTimeout: it took longer than its resource allows.
            Exception: whatever the loader raises.
        """
        flight = (call.key, call.shape, tuple(sorted(stamp.items())), since_s > 0)
        done, is_shared = self._flights.do(flight, lambda: self._in_turn(call, stamp, since_s))
        if is_shared or done.is_shared:
            self._statistics.count("coalesced", call.spec.namespace)
            return Loading(done.entry, is_shared=True)
        return done

    def keep(
        self, call: ReadCall, stamp: Stamp, body: bytes, ttl_s: float, took_s: float = 0.0
    ) -> Entry:
        """Keep what was made under `stamp` for `ttl_s` seconds."""
        spec = call.spec
        entry = self._tiers.entry(call.key, call.shape, stamp, body, ttl_s, took_s)
        if self._tiers.store(entry, spec.leeway.after_s):
            self._statistics.count("fills", spec.namespace, spec.resource)
        else:
            self._statistics.count("refused", spec.namespace)
        return entry

    def ttl_of(self, namespace: str, resource: str, default_s: int) -> int:
        """The TTL of a resource with the operator's override."""
        return self._settings.ttls.get(f"{namespace}_{resource}", default_s)

    def _in_turn(self, call: ReadCall, stamp: Stamp, since_s: float) -> Loading:
        name = _turn_name(call, stamp)
        began_s, waited_s, pause_s = self._clock.monotonic(), 0.0, FIRST_PAUSE_S
        while (turn := self._leases.take(name, waited_s=waited_s)) is None:
            waited_s = self._clock.monotonic() - began_s
            if waited_s >= self._settings.wait_s:
                return Loading(self._limited(call, stamp), is_shared=False)
            self._clock.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 (jitter, no secret)
            pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)
            entry = self._look_again(call, stamp, since_s)
            if entry is not None:
                return Loading(entry, is_shared=True)
        try:
            entry = self._look_again(call, stamp, since_s, turn)
            if entry is not None:
                return Loading(entry, is_shared=True)
            entry = self._limited(call, stamp)
            self._hand_over(turn, entry)
            return Loading(entry, is_shared=False)
        finally:
            turn.release()

    def _look_again(
        self, call: ReadCall, stamp: Stamp, since_s: float, turn: Turn | None = None
    ) -> Entry | None:
        """What another one has loaded in the meantime."""
        after_s, shape = call.spec.leeway.after_s, call.shape
        entry = self._tiers.find(call.key, shape, stamp, after_s=after_s).entry
        if entry is not None and entry.created_s <= since_s:  # memory may hide a newer one
            entry = self._tiers.find(call.key, shape, stamp, is_shared=True).entry
        if entry is None and turn is not None and (raw := turn.left()) is not None:
            left = self._tiers.decoded(call.key, raw, shape)
            entry = self._tiers.judge(left, shape, stamp).entry if left is not None else None
        if entry is None or entry.created_s <= since_s:
            return None
        self._tiers.remember(entry, after_s)
        return entry

    def _limited(self, call: ReadCall, stamp: Stamp) -> Entry:
        hard_s = call.spec.leeway.hard_s
        if hard_s is None:
            return self._load(call, stamp)
        try:
            return self._background.within(hard_s, lambda: self._load(call, stamp))
        except TimeoutError as fault:
            resource = f"{call.spec.namespace}.{call.spec.resource}"
            raise LoaderTimeout(f"{resource} did not load within {hard_s:g} s") from fault

    def _load(self, call: ReadCall, stamp: Stamp) -> Entry:
        """Load and keep. The stamp was read before: the value is never older than it says."""
        spec = call.spec
        began_s = time.perf_counter()
        with within_turn():
            body = encode_body(call.load())
        took_s = time.perf_counter() - began_s
        self._statistics.took(spec.namespace, LOADER, took_s)
        ttl_s = self.ttl_of(spec.namespace, spec.resource, spec.ttl_s)
        return self.keep(call, stamp, body, ttl_s, took_s)

    def _hand_over(self, turn: Turn, entry: Entry) -> None:
        if entry.took_s >= WORTH_LEAVING_S and self._tiers.redis() is None:
            turn.leave(self._tiers.encoded(entry))


def _turn_name(call: ReadCall, stamp: Stamp) -> str:
    raw = msgspec.msgpack.encode([call.key, call.shape, sorted(stamp.items())])
    return blake2b(raw, digest_size=16).hexdigest()
