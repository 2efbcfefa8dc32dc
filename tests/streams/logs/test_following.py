"""Another worker's streams, read here."""

import gc
import threading
import weakref
from collections.abc import Sequence
from functools import partial

import fakeredis
import pytest

from streams.counters import StreamCounters
from streams.errors import StreamGone
from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.following import Follower
from streams.logs.protocol import Fetched, OutOfReach, Writing
from streams.logs.redis import RedisLogs
from streams.logs.replica import Replica
from telemetry.clock import SYSTEM_CLOCK, Clock
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import wait_until

LIMITS = StreamLimits(heartbeat_s=0.1, follow_interval_s=0.005)
LOG = "larder:stream:{s}:log"
ALIVE = "larder:stream:{s}:alive"


class Following:
    """A follower, and the other worker's side of it."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.server = fakeredis.FakeServer()
        self.client = fakeredis.FakeRedis(server=self.server)
        self.shared = RedisLogs(lambda: self.client, limits=LIMITS, prefix="larder")
        self.lost: list[str] = []
        self.living: list[bool] = []
        self.lost_when_asked: list[list[str]] = []
        self.counters = StreamCounters()
        self.follower = Follower(
            self.shared,
            clock=clock,
            limits=LIMITS,
            on_lost=self.lost.append,
            lives=self._lives,
            counters=self.counters,
        )

    def wait_looked(self) -> None:
        """Until the follower has looked at what is there now, and drawn its conclusions."""
        looks: list[object] = []
        fetch = self.shared.fetch

        def counted(positions: Sequence[tuple[str, int]]) -> Sequence[Fetched]:
            looks.append(None)
            return fetch(positions)

        self.shared.fetch = counted  # type: ignore[method-assign]
        wait_until(lambda: len(looks) > 1 or not self.follower.is_running)
        self.shared.fetch = fetch  # type: ignore[method-assign]

    def _lives(self, _: str) -> bool:
        self.lost_when_asked.append([*self.lost])
        return self.living.pop() if self.living else False

    def produce(self, first: int, last: int, *, ends: bool = False, dies: bool = False) -> None:
        """The other worker writes events, and lives on, ends the stream, or dies."""
        events = [
            Event(n, "delta", b"%d" % n, terminal=ends and n == last)
            for n in range(first, last + 1)
        ]
        self.shared.write("w", [Writing("s", events, refresh=not ends, closes=ends)])
        if dies:
            self.client.delete(ALIVE)
        elif not ends:
            self.client.persist(ALIVE)


@pytest.fixture
def following():
    """All of it."""
    return Following()


def test_a_copy_begins_with_what_is_there_and_grows(following):
    """S2: from any worker."""
    following.produce(0, 2)
    copy = following.follower.follow("s", patience_s=0)
    assert copy.last_id == 2

    following.produce(3, 4, ends=True)

    wait_until(lambda: copy.is_closed)
    assert [event.id for event in copy.after(-1)] == [0, 1, 2, 3, 4]


def test_readers_of_one_stream_share_a_copy(following):
    """However many they are, Redis is asked for it once."""
    following.produce(0, 0)

    copies = [following.follower.follow("s", patience_s=0) for _ in range(3)]

    assert copies[0] is copies[1] is copies[2]


def test_readers_that_come_together_share_one_copy(following):
    """A copy that is not the one that is fed would leave its readers waiting for ever."""
    following.produce(0, 0)
    copies: list[Replica] = []
    readers = [
        threading.Thread(target=lambda: copies.append(following.follower.follow("s", patience_s=0)))
        for _ in range(8)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(5)

    following.produce(1, 1, ends=True)

    wait_until(lambda: all(copy.is_closed for copy in copies))
    assert len(copies) == 8


def test_a_copy_that_nobody_reads_goes(following):
    """And with the last one the thread."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)
    assert following.follower.is_running

    del copy
    gc.collect()

    wait_until(lambda: not following.follower.is_running)


def test_an_ended_stream_is_read_without_a_thread(following):
    """There is nothing to follow."""
    following.produce(0, 1, ends=True)

    copy = following.follower.follow("s", patience_s=0)

    assert copy.has_shown_end(1)
    assert not following.follower.is_running


def test_readers_of_an_ended_stream_share_a_copy(following):
    """However slowly they read, it is in the memory once, and gone with the last of them."""
    following.produce(0, 3, ends=True)
    copies = [following.follower.follow("s", patience_s=0) for _ in range(3)]
    found = weakref.ref(copies[0])

    assert len({id(each) for each in copies}) == 1
    copies.clear()
    gc.collect()
    assert found() is None


def test_a_stream_that_nobody_knows_is_expired(following):
    """The edge answers 204."""
    with pytest.raises(StreamGone) as gone:
        following.follower.follow("s", patience_s=0.02)

    assert gone.value.reason == "expired"


def test_a_stream_that_has_just_begun_is_waited_for(following):
    """Its first events may not have arrived yet; a sign of life is enough."""
    following.produce(0, -1)

    assert following.follower.follow("s", patience_s=0).last_id == -1


def test_without_redis_the_answer_is_honest(following):
    """It may run elsewhere: the database knows."""
    following.server.connected = False

    with pytest.raises(StreamGone) as gone:
        following.follower.follow("s", patience_s=0)

    assert gone.value.reason == "unreachable"


def test_a_dead_producer_is_found_out(following):
    """S5: told to the service first, then to the readers; and to all other workers."""
    following.produce(0, 2, dies=True)
    copy = following.follower.follow("s", patience_s=0)

    wait_until(lambda: copy.is_lost)

    assert following.lost == ["s"]
    assert following.follower.follow("s", patience_s=0).is_lost


def test_a_short_absence_is_no_death(following):
    """After an outage of Redis the signs of life come back late."""
    following.produce(0, 0, dies=True)
    copy = following.follower.follow("s", patience_s=0)

    following.produce(1, 1)
    following.produce(2, 2, ends=True)

    wait_until(lambda: copy.is_closed)
    assert not copy.is_lost
    assert following.lost == []


def test_a_producer_that_writes_lives_without_another_sign():
    """A Redis that makes room drops what would go next, and that is the sign of life."""
    clock = FakeClock()
    following = Following(clock)
    following.produce(0, 0, dies=True)
    copy = following.follower.follow("s", patience_s=0)
    following.wait_looked()

    for number in (1, 2, 3):
        clock.advance(LIMITS.confirm_lost_s * 0.6)
        following.produce(number, number, dies=True)
        wait_until(partial(_has_come, copy, number))
        following.wait_looked()

    assert not copy.is_lost
    assert following.lost == []


def _has_come(copy: Replica, number: int) -> bool:
    return copy.last_id == number or copy.is_closed


def test_readers_are_let_go_when_a_loss_cannot_be_noted(following, monkeypatch):
    """A full Redis takes no sign of life and no note: they would wait for as long as it is full."""

    def refuse(_: str) -> None:
        raise OutOfReach("full")

    monkeypatch.setattr(following.shared, "declare_lost", refuse)
    following.produce(0, 2, dies=True)

    copy = following.follower.follow("s", patience_s=0)

    wait_until(lambda: copy.is_closed)
    assert not copy.is_lost
    assert following.lost == []
    assert following.counters.snapshot() == {"readers_cut": 1}


def test_a_producer_that_is_known_to_live_is_not_buried(following):
    """It lost sight of Redis alone. It is asked after again, for it may die meanwhile."""
    following.living = [True, True]
    following.produce(0, 2, dies=True)
    copy = following.follower.follow("s", patience_s=0)

    wait_until(lambda: copy.is_lost)

    assert following.lost_when_asked == [[], [], []]
    assert following.lost == ["s"]


def test_an_outage_is_no_death(following):
    """While Redis is away nothing is known, so nobody is buried."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)
    following.server.connected = False
    wait_until(lambda: following.follower._trouble_since is not None)  # noqa: SLF001 - its one trace
    following.server.connected = True

    following.produce(1, 1, ends=True)

    wait_until(lambda: copy.is_closed)
    assert copy.has_shown_end(1)


def test_readers_are_let_go_when_redis_stays_away(following):
    """Their clients come again, and are told how things stand."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)

    following.server.connected = False

    wait_until(lambda: copy.is_closed)
    assert not copy.is_lost
    assert following.lost == []
    assert following.counters.snapshot() == {"readers_cut": 1}


def test_a_gap_is_waited_out(following):
    """The producer finds it as well, and writes its log afresh."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)
    following.produce(2, 2)

    following.client.delete(LOG)
    following.produce(0, 3, ends=True)

    wait_until(lambda: copy.is_closed)
    assert [event.id for event in copy.after(-1)] == [0, 1, 2, 3]


def test_a_gap_that_stays_cuts_the_readers(following):
    """Leaving events out is not an option."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)

    following.produce(2, 2)

    wait_until(lambda: copy.is_closed)
    assert copy.last_id == 0
    assert not copy.is_lost


def test_damage_cuts_the_readers(following):
    """Foreign bytes are at worst a stream that cannot be followed."""
    following.produce(0, 0)
    copy = following.follower.follow("s", patience_s=0)

    following.client.xadd(LOG, {"x": "y"}, id="0-9")

    wait_until(lambda: copy.is_closed)
    assert not copy.is_lost


def test_a_long_log_is_loaded_whole(following):
    """Page by page."""
    for number in range(600):
        following.produce(number, number)

    assert following.follower.follow("s", patience_s=0).last_id == 599
