"""Redis kept up to date, whatever it does, and never waited for."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import fakeredis
import pytest

from streams.counters import StreamCounters
from streams.events import Draft
from streams.limits import StreamLimits
from streams.logs.memory import MemoryLog
from streams.logs.mirror import UNTOLD_S, Mirror, MirrorSignals
from streams.logs.protocol import Writing, Written
from streams.logs.redis import RedisLogs
from telemetry.clock import SYSTEM_CLOCK, Clock
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import wait_until

LIMITS = StreamLimits(heartbeat_s=1, mirror_interval_s=0.005)


class Mirroring:
    """A mirror, and what stands at its two ends."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, limits: StreamLimits = LIMITS) -> None:
        self.server = fakeredis.FakeServer()
        self.client = fakeredis.FakeRedis(server=self.server)
        self.shared = RedisLogs(lambda: self.client, limits=LIMITS, prefix="larder")
        self.counters = StreamCounters()
        self.stopped: list[str] = []
        self.lost: list[str] = []
        self.mirror = Mirror(
            self.shared,
            clock=clock,
            limits=limits,
            signals=MirrorSignals(on_stop=self.stopped.append, on_declared_lost=self.lost.append),
            counters=self.counters,
        )
        self.log = MemoryLog("s")

    def track(self, *, is_kept: bool = True) -> None:
        """Begin with the one log."""
        self.mirror.track(self.log, worker_id="w", is_kept=is_kept)

    def say(self, *lines: str) -> None:
        """The stream goes on."""
        self.log.append([Draft("delta", line.encode()) for line in lines])

    def finish(self) -> None:
        """The stream ends."""
        self.log.close([Draft("done", b"{}")])

    def mirrored(self) -> list[bytes]:
        """What Redis has."""
        (fetched,) = self.shared.fetch([("s", -1)])
        return [event.data for event in fetched.events]

    def has_mirrored(self, count: int) -> bool:
        """Whether so many events have arrived."""
        return len(self.mirrored()) == count


@pytest.fixture
def mirroring():
    """All of it."""
    return Mirroring()


def test_events_arrive_as_they_come(mirroring):
    """Readers on other workers see them soon."""
    mirroring.track()
    mirroring.say("a")
    wait_until(lambda: mirroring.mirrored() == [b"a"])

    mirroring.say("b", "c")

    wait_until(lambda: mirroring.mirrored() == [b"a", b"b", b"c"])


def test_the_end_arrives_and_the_mirror_rests(mirroring):
    """No thread stays behind, and no sign of life."""
    mirroring.track()
    mirroring.say("a")
    mirroring.finish()

    assert mirroring.mirror.drain(5)
    assert mirroring.mirrored() == [b"a", b"{}"]
    assert mirroring.client.get("larder:stream:{s}:alive") is None
    wait_until(lambda: not mirroring.mirror.is_running)


def test_an_outage_loses_nothing(mirroring):
    """The memory log is the queue: it is all there when Redis returns."""
    mirroring.track()
    mirroring.say("a")
    wait_until(lambda: mirroring.mirrored() == [b"a"])
    mirroring.server.connected = False
    mirroring.say("b")
    wait_until(lambda: mirroring.counters.snapshot().get("mirror_failures", 0) > 0)
    mirroring.finish()

    mirroring.server.connected = True

    wait_until(lambda: mirroring.server.connected and len(mirroring.mirrored()) == 3)
    assert mirroring.mirrored() == [b"a", b"b", b"{}"]


def test_a_flushed_log_is_written_afresh(mirroring):
    """Also when nobody noticed that Redis was restarted in between."""
    mirroring.track()
    mirroring.say("a")
    wait_until(lambda: mirroring.mirrored() == [b"a"])
    mirroring.client.flushall()

    mirroring.say("b")

    wait_until(lambda: mirroring.mirrored() == [b"a", b"b"])
    assert mirroring.counters.snapshot() == {"mirror_rewrites": 1}


def test_a_log_that_went_back_in_time_is_written_afresh(mirroring):
    """A Redis that restarts from its snapshot has forgotten the latest rounds."""
    mirroring.track()
    for count, line in enumerate("abc", start=1):
        mirroring.say(line)
        wait_until(partial(mirroring.has_mirrored, count))
    mirroring.client.xdel("larder:stream:{s}:log", "0-3")
    mirroring.say("d")

    wait_until(lambda: mirroring.mirrored() == [b"a", b"b", b"c", b"d"])


def test_a_long_log_goes_in_pieces(mirroring):
    """No single command, and no round, of many megabytes."""
    mirroring.say(*["x" * 1000] * 3000)
    mirroring.finish()

    mirroring.track()

    assert mirroring.mirror.drain(10)
    assert mirroring.client.xlen("larder:stream:{s}:log") > 10


def test_many_long_logs_take_turns(mirroring):
    """One stream's backlog does not keep another's events from its readers."""
    logs = [MemoryLog(f"s{number}") for number in range(8)]
    for log in logs:
        log.append([Draft("delta", b"x" * 1000)] * 1000)
        log.close([Draft("done", b"{}")])

    for log in logs:
        mirroring.mirror.track(log, worker_id="w")

    assert mirroring.mirror.drain(10)


def test_requests_to_stop_are_passed_on(mirroring):
    """S4: from any worker."""
    mirroring.track()
    mirroring.say("a")
    wait_until(lambda: mirroring.mirrored() == [b"a"])

    mirroring.shared.request_stop("s")

    wait_until(lambda: mirroring.stopped == ["s"])


def test_a_stream_declared_lost_is_given_up(mirroring):
    """One truth: its readers elsewhere have been told, and it has been booked."""
    mirroring.track()
    mirroring.say("a")
    wait_until(lambda: mirroring.mirrored() == [b"a"])

    mirroring.shared.declare_lost("s")

    wait_until(lambda: mirroring.lost == ["s"])
    assert mirroring.mirror.drain(5)


def test_a_drain_does_not_wait_for_ever(mirroring):
    """A worker that goes must go, Redis or not."""
    mirroring.server.connected = False
    mirroring.say("a")
    mirroring.track()

    assert not mirroring.mirror.drain(0.05)


def test_an_ended_stream_is_given_up_after_its_time():
    """With Redis away for long, nothing may pile up."""
    mirroring = Mirroring(limits=replace(LIMITS, log_ttl_s=0.01))
    mirroring.server.connected = False
    mirroring.finish()

    mirroring.track()

    assert mirroring.mirror.drain(5)


def test_ended_logs_wait_for_redis_within_limits_of_memory():
    """Busy hours without Redis must not fill the worker: the oldest go, and what nobody reads."""
    size_bytes = 1000
    mirroring = Mirroring(limits=replace(LIMITS, finished_bytes=3 * (size_bytes + 500)))
    mirroring.server.connected = False
    logs = [MemoryLog(f"s{number}") for number in range(9)]
    for number, log in enumerate(logs):
        mirroring.mirror.track(log, worker_id="w", is_kept=number != 8)
        log.append([Draft("delta", b"x" * size_bytes)])
        log.close([Draft("done", b"{}")])
    held = [weakref.ref(log) for log in logs]
    del logs, log

    wait_until(lambda: gc.collect() >= 0 and sum(each() is not None for each in held) == 3)

    assert [each() is not None for each in held] == [False] * 5 + [True] * 3 + [False]
    mirroring.server.connected = True
    assert mirroring.mirror.drain(5)


def test_a_log_that_nobody_reads_later_is_not_sent_once_it_has_ended():
    """A plain completion that was quick costs Redis nothing; a kept one is there to be read."""
    quick, kept = Mirroring(), Mirroring()
    for each in (quick, kept):
        each.finish()

    quick.track(is_kept=False)
    kept.track()

    assert quick.mirror.drain(5)
    assert kept.mirror.drain(5)
    assert (quick.mirrored(), kept.mirrored()) == ([], [b"{}"])


class _LookedAt(FakeClock):
    """A clock that counts how often it was looked at."""

    looks = 0

    def monotonic(self) -> float:
        """Seconds since it began."""
        self.looks += 1
        return super().monotonic()


def test_a_log_that_nobody_reads_later_is_told_of_when_it_lasts(monkeypatch):
    """Embeddings are over before the others had to hear of them: Redis is left alone."""
    clock = _LookedAt()
    mirroring = Mirroring(clock)
    written: list[object] = []
    write = mirroring.shared.write

    def noted(worker_id: str, writings: Sequence[Writing]) -> Written:
        written.append(writings)
        return write(worker_id, writings)

    monkeypatch.setattr(mirroring.shared, "write", noted)

    mirroring.track(is_kept=False)
    wait_until(lambda: clock.looks > 5)
    assert written == []

    clock.advance(UNTOLD_S + 0.01)
    wait_until(lambda: mirroring.shared.fetch([("s", -1)])[0].owner is not None)
    mirroring.finish()
    assert mirroring.mirror.drain(5)


def test_a_log_that_nobody_reads_later_shows_that_it_lives_and_that_it_ended():
    """While it runs any worker may ask whether it does."""
    mirroring = Mirroring()
    mirroring.track(is_kept=False)
    wait_until(lambda: mirroring.shared.fetch([("s", -1)])[0].owner is not None)

    mirroring.finish()

    assert mirroring.mirror.drain(5)
    assert mirroring.shared.fetch([("s", -1)])[0].owner is None


@pytest.mark.parametrize(
    ("took_s", "rests"),
    [
        (0.0001, [("rest", 0.02), ("pause", 0.08)]),
        (0.002, [("rest", 0.08), ("pause", 0.02)]),
        (0.004, [("rest", 0.16), ("pause", 0.0)]),
        (2.0, [("rest", 0.2), ("pause", 0.0)]),
    ],
)
def test_a_round_that_takes_long_is_followed_by_a_longer_pause(monkeypatch, took_s, rests):
    """Many streams must not take all of the worker's time; nor may a stop wait for ever."""
    mirroring, taken = _paced(monkeypatch, took_s)
    mirroring.say("a")
    mirroring.track()

    wait_until(lambda: len(taken) >= 2)
    mirroring.finish()

    assert taken[:2] == rests


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.01, 0.02), (0.05, 0.05), (2.0, 0.2)])
def test_a_round_that_could_not_take_all_is_followed_soon(monkeypatch, took_s, rest_s):
    """After a flush the signs of life come back with the logs: without one for long, it is lost."""
    mirroring, taken = _paced(monkeypatch, took_s)
    logs = [MemoryLog(f"s{number}") for number in range(9)]  # four are a round
    for log in logs:
        log.append([Draft("delta", b"x" * 1024)] * 256)
    with monkeypatch.context() as asleep:
        asleep.setattr(mirroring.mirror._loop, "wake", lambda: None)  # noqa: SLF001 (till all are there)
        for log in logs:
            mirroring.mirror.track(log, worker_id="w")
    mirroring.mirror._loop.wake()  # noqa: SLF001

    wait_until(lambda: len(taken) >= 4)
    for log in logs:
        log.close([Draft("done", b"{}")])

    assert taken[:4] == [("rest", rest_s), ("rest", rest_s), ("rest", 0.2), ("pause", 0.0)]


def _paced(monkeypatch, took_s: float) -> tuple[Mirroring, list[tuple[str, float]]]:
    """A mirror whose rounds take so long, and how it pauses after them: not really."""
    clock = FakeClock()
    mirroring = Mirroring(clock)
    taken: list[tuple[str, float]] = []
    write = mirroring.shared.write

    def write_slowly(worker_id: str, writings: Sequence[Writing]) -> Written:
        clock.advance(took_s)
        return write(worker_id, writings)

    def take(name: str, seconds: float) -> None:
        taken.append((name, round(seconds, 6)))

    monkeypatch.setattr(mirroring.shared, "write", write_slowly)
    monkeypatch.setattr(mirroring.mirror, "_limits", StreamLimits())
    for name in ("rest", "pause"):
        monkeypatch.setattr(mirroring.mirror._loop, name, partial(take, name))  # noqa: SLF001 (its pace is the point)
    return mirroring, taken
