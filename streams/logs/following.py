"""Brings other workers' streams here: one copy a stream and worker, however many readers it has.

One thread fetches for all copies together. A copy lives as long as somebody reads it. The thread
also notices when a producing worker gives no sign of life any more, and declares its streams lost.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from streams.counters import StreamCounters
from streams.errors import StreamGone
from streams.limits import StreamLimits
from streams.logs.protocol import Fetched, OutOfReach, SharedLogs
from streams.logs.replica import Replica
from streams.loops import BackgroundLoop
from telemetry.clock import Clock

__all__ = ["Follower"]

STREAMS_A_FETCH = 100

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Followed:
    stream_id: str
    copy: "weakref.ref[Replica]"
    missing_since: float | None = None
    gap_since: float | None = None


class Follower:
    """Keeps copies of the streams that are read here and produced elsewhere.

    Args:
        shared: where the logs are fetched.
        on_lost: told of a lost stream before its readers are.
        lives: whether a stream without a sign of life is known to be produced all the same.
    """

    def __init__(
        self,
        shared: SharedLogs,
        *,
        clock: Clock,
        limits: StreamLimits,
        on_lost: Callable[[str], None],
        lives: Callable[[str], bool],
        counters: StreamCounters,
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._limits = limits
        self._on_lost = on_lost
        self._lives = lives
        self._counters = counters
        self._lock = threading.Lock()
        self._followed: dict[str, _Followed] = {}
        self._ended: weakref.WeakValueDictionary[str, Replica] = weakref.WeakValueDictionary()
        self._trouble_since: float | None = None
        self._loop = BackgroundLoop("larder-stream-follower", self._step)

    @property
    def is_running(self) -> bool:
        """Whether the follower's thread lives."""
        return self._loop.is_running

    def follow(self, stream_id: str, *, patience_s: float) -> Replica:
        """A copy of the stream's log as it stands, which goes on growing.

        Args:
            stream_id: the stream.
            patience_s: how long to wait for a stream that nobody knows yet.

        Raises:
            StreamGone: nobody knows it, or Redis does not answer.
        """
        with self._lock:
            known = self._known(stream_id) or self._ended.get(stream_id)
        if known is not None:
            return known
        replica = self._load(stream_id, self._clock.monotonic() + patience_s)
        if replica.has_end:
            with self._lock:  # however many read it, slowly as they may
                return self._ended.setdefault(stream_id, replica)
        if replica.is_closed:
            return replica
        with self._lock:
            # Others may have asked meanwhile; only one copy is fed.
            if (known := self._known(stream_id)) is not None:
                return known
            self._followed[stream_id] = _Followed(stream_id, weakref.ref(replica))
        self._loop.wake()
        return replica

    def _known(self, stream_id: str) -> Replica | None:
        followed = self._followed.get(stream_id)
        replica = followed.copy() if followed else None
        return None if replica is None or replica.is_closed else replica

    def _load(self, stream_id: str, deadline: float) -> Replica:
        replica = Replica(stream_id)
        while True:
            fetched = self._fetch_one(stream_id, replica.last_id)
            joined = replica.extend(fetched.events)
            if fetched.more and joined:
                continue
            if fetched.lost:
                replica.lose(fetched.ends)
            if joined and (replica.last_id >= 0 or fetched.owner or fetched.lost):
                return replica
            if self._clock.monotonic() >= deadline:
                raise StreamGone(stream_id, "expired")
            self._clock.wait(threading.Event(), self._limits.follow_interval_s)

    def _fetch_one(self, stream_id: str, after: int) -> Fetched:
        try:
            (fetched,) = self._shared.fetch([(stream_id, after)])
        except OutOfReach as fault:
            raise StreamGone(stream_id, "unreachable") from fault
        if fetched.damaged:
            raise StreamGone(stream_id, "expired")
        return fetched

    def _step(self) -> bool:
        live = self._live()
        if not live:
            return False
        now = self._clock.monotonic()
        try:
            dead = [
                each
                for first in range(0, len(live), STREAMS_A_FETCH)
                for each in self._fetch_group(live[first : first + STREAMS_A_FETCH], now)
            ]
        except OutOfReach as fault:
            self._wait_for_redis(live, now, fault)
            return True
        self._trouble_since = None
        if dead:
            # The hook books in the database, which may take its time; other streams go on.
            threading.Thread(
                target=self._bury, args=(dead,), name="larder-stream-lost", daemon=True
            ).start()
        del live, dead  # else this thread would keep copies alive that nobody reads
        self._loop.pause(self._limits.follow_interval_s)
        return True

    def _live(self) -> list[tuple[_Followed, Replica]]:
        with self._lock:
            live = []
            for followed in list(self._followed.values()):
                replica = followed.copy()
                if replica is None or replica.is_closed:
                    # Nobody reads it any more, or there is nothing more to fetch.
                    del self._followed[followed.stream_id]
                else:
                    live.append((followed, replica))
            return live

    def _fetch_group(
        self, group: Sequence[tuple[_Followed, Replica]], now: float
    ) -> list[tuple[_Followed, Replica]]:
        positions = [(followed.stream_id, replica.last_id) for followed, replica in group]
        answers = self._shared.fetch(positions)
        return [
            (followed, replica)
            for (followed, replica), fetched in zip(group, answers, strict=True)
            if self._apply(followed, replica, fetched, now)
        ]

    def _apply(self, followed: _Followed, replica: Replica, fetched: Fetched, now: float) -> bool:
        """Bring the copy up to date; returns whether its producer has to be given up."""
        if fetched.damaged:
            replica.cut()
        elif not replica.extend(fetched.events):
            # The producer will find the gap as well, and write its log afresh.
            followed.gap_since = followed.gap_since or now
            if now - followed.gap_since > self._limits.out_of_reach_s:
                replica.cut()
        elif fetched.lost and not fetched.more:
            replica.lose(fetched.ends)
        else:
            followed.gap_since = None
            return self._is_dead(followed, replica, fetched, now)
        return False

    def _is_dead(self, followed: _Followed, replica: Replica, fetched: Fetched, now: float) -> bool:
        # Events are a sign of life as well: Redis may have dropped the other one to make room.
        if fetched.owner or fetched.events or fetched.more or replica.is_closed:
            followed.missing_since = None
            return False
        if followed.missing_since is None:
            followed.missing_since = now
        if now - followed.missing_since < self._limits.confirm_lost_s:
            return False
        followed.missing_since = None  # should declaring it fail, it is found out once more
        return True

    def _wait_for_redis(
        self, live: Sequence[tuple[_Followed, Replica]], now: float, fault: OutOfReach
    ) -> None:
        if self._trouble_since is None:
            self._trouble_since = now
            log.warning("stream_follower_out_of_reach", fault=str(fault), streams=len(live))
        for followed, replica in live:
            followed.missing_since = followed.gap_since = None
            if now - self._trouble_since > self._limits.out_of_reach_s:
                replica.cut()
                self._counters.add("readers_cut")
        self._loop.pause(max(0.1, self._limits.follow_interval_s))

    def _bury(self, dead: Sequence[tuple[_Followed, Replica]]) -> None:
        for followed, replica in dead:
            if replica.is_closed or self._lives(followed.stream_id):
                continue
            try:
                self._shared.declare_lost(followed.stream_id)
            except OutOfReach:  # it takes no notes: a full one goes on so for as long as it likes
                replica.cut()
                self._counters.add("readers_cut")
                continue
            self._counters.add("found_lost")
            self._on_lost(followed.stream_id)
            replica.lose(set())
