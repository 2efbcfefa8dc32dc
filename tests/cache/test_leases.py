"""Leases: one turn among all workers, in Redis or in its place, and never in the way."""

import threading

import fakeredis
import pytest

from cache.file_locks import FileLocks
from cache.leases import Leases, Turn, within_turn
from tests.doubles.redis_tier import FailingClient

LEASE_S = 0.05


class BrokenLocks:
    """Locks that cannot be had."""

    def try_hold(self, _):
        """Fail."""
        raise OSError("no space left on device")

    def close(self):
        """End nothing."""


class NotedTurn:
    """A turn that notes its end."""

    def __init__(self, ended: list[str], name: str) -> None:
        self._ended, self._name = ended, name

    def left(self):
        """Nothing."""

    def leave(self, raw):
        """Nowhere."""

    def release(self):
        """End, and fail to."""
        self._ended.append(self._name)
        raise OSError("gone")


class NotedLocks:
    """Locks that are had, or not, as the test says."""

    def __init__(self, ended: list[str], name: str, *, is_free: bool = True) -> None:
        self.ended, self.name, self.is_free = ended, name, is_free

    def try_hold(self, _):
        """Hold it if it is free."""
        return NotedTurn(self.ended, self.name) if self.is_free else None

    def close(self):
        """Note it."""
        self.ended.append(f"{self.name} closed")


def _taken(leases: Leases) -> Turn:
    turn = leases.take("load")
    assert turn is not None
    return turn


@pytest.fixture
def client(server):
    """A look at the faked Redis."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def new_leases(server, new_tier):
    """Makes the leases of workers that share a Redis."""

    def make(*locks, lease_s=60.0):
        tier = new_tier(fakeredis.FakeRedis(server=server))
        return Leases(redis=tier, locks=locks, prefix="t", lease_s=lease_s)

    return make


def test_one_worker_has_the_turn(new_leases):
    """The others learn at once that somebody has it; another load has its own."""
    one, other = new_leases(), new_leases()
    turn = one.take("load")

    assert turn is not None
    assert other.take("load") is None
    assert other.take("another") is not None


def test_a_turn_that_was_released_is_the_next_ones(new_leases):
    """Without waiting for the lease to run out."""
    one, other = new_leases(), new_leases()
    turn = _taken(one)
    turn.release()

    assert other.take("load") is not None


def test_a_dead_workers_turn_runs_out(new_leases, client):
    """Nobody is there to release it."""
    one, other = new_leases(lease_s=LEASE_S), new_leases()
    one.take("load")
    before = other.take("load")

    threading.Event().wait(2 * LEASE_S)

    assert before is None
    assert other.take("load") is not None
    assert client.pttl("t:lease:load") > 50_000


def test_a_turn_that_ran_out_takes_nobody_elses(new_leases):
    """A slow loader comes back late: the lease is another one's by then."""
    one, other, third = new_leases(lease_s=LEASE_S), new_leases(), new_leases()
    late = _taken(one)
    threading.Event().wait(2 * LEASE_S)
    other.take("load")

    late.release()

    assert third.take("load") is None


@pytest.mark.parametrize(
    "put",
    [
        lambda client, key: client.set(key, "x"),
        lambda client, key: client.set(key, "x", px=120_000),
        lambda client, key: client.rpush(key, "x"),
    ],
    ids=["for ever", "for longer than any lease", "of another type"],
)
def test_what_is_no_lease_holds_up_nobody(new_leases, client, put):
    """Somebody else's value, or a lease of before the clock of Redis was put back."""
    put(client, "t:lease:load")
    one, other = new_leases(), new_leases()

    turn = _taken(one)

    assert other.take("load") is None
    turn.release()
    assert client.exists("t:lease:load") == 0


def test_a_lease_that_something_has_taken_the_place_of_is_let_go(new_leases, client):
    """It is not ours to delete, and no failure of Redis."""
    leases = new_leases()
    turn = _taken(leases)
    client.delete("t:lease:load")
    client.rpush("t:lease:load", "x")

    turn.release()

    assert client.exists("t:lease:load") == 1


def test_locks_stand_in_while_redis_is_away(new_leases, server, tmp_path):
    """Among the workers of the machine."""
    one, other = new_leases(FileLocks(tmp_path)), new_leases(FileLocks(tmp_path))
    server.connected = False
    turn = _taken(one)

    assert other.take("load") is None
    turn.release()
    assert other.take("load") is not None


def test_within_a_turn_no_lock_is_taken(tmp_path):
    """Two names may share one: who holds it would wait for itself. A lease is a name's own."""
    leases = Leases(redis=None, locks=[FileLocks(tmp_path)], prefix="t", lease_s=1)
    _taken(leases)

    with within_turn():
        within = leases.take("load")
    after = leases.take("load")

    assert (within is None, after is None) == (False, True)


def test_within_a_turn_leases_are_taken(new_leases):
    """Their names share nothing, so one load for all workers stays one."""
    one, other = new_leases(), new_leases()

    with within_turn():
        turn = one.take("load")

    assert turn is not None
    assert other.take("load") is None


def test_a_lock_hands_over(tmp_path):
    """What its holder has loaded, in the place of Redis."""
    leases = Leases(redis=None, locks=[FileLocks(tmp_path)], prefix="t", lease_s=1)
    first = _taken(leases)
    first.leave(b"entry")
    first.release()

    assert _taken(leases).left() == b"entry"


def test_redis_hands_nothing_over(new_leases):
    """It has the entry itself."""
    turn = _taken(new_leases())
    turn.leave(b"entry")

    assert turn.left() is None


def test_a_lock_whose_holder_hangs_is_passed_by(tmp_path):
    """After as long as a lease: those who wait meet at another one."""
    leases = [
        Leases(redis=None, locks=[FileLocks(tmp_path)], prefix="t", lease_s=1) for _ in range(3)
    ]
    leases[0].take("load")

    early = leases[1].take("load", waited_s=0.9)
    late = leases[1].take("load", waited_s=1)

    assert early is None
    assert late is not None
    assert leases[2].take("load", waited_s=1) is None


def test_without_any_lock_everybody_loads():
    """There is nothing to wait for."""
    leases = Leases(redis=None, locks=[], prefix="t", lease_s=1)

    turns = [_taken(leases) for _ in range(2)]

    turns[0].leave(b"entry")
    turns[0].release()
    assert turns[1].left() is None


def test_a_lock_that_cannot_be_had_holds_up_nobody():
    """A full disk costs loads, never an answer."""
    leases = Leases(redis=None, locks=[BrokenLocks()], prefix="t", lease_s=1)

    assert [leases.take("load") is None for _ in range(2)] == [False, False]


def test_a_redis_that_refuses_holds_up_nobody(new_tier):
    """It is up, but takes no lease: out of memory, say."""
    refusing = FailingClient(ConnectionError("refused"))
    leases = Leases(redis=new_tier(refusing), locks=[], prefix="t", lease_s=1)

    assert leases.take("load") is not None


def test_a_turn_of_two_locks_needs_both():
    """What was had of the first is given back; a failure to do so is no failure of the load."""
    ended: list[str] = []
    near, far = NotedLocks(ended, "near"), NotedLocks(ended, "far", is_free=False)
    leases = Leases(redis=None, locks=[near, far], prefix="t", lease_s=1)

    refused = leases.take("load")
    far.is_free = True
    turn = _taken(leases)
    turn.release()
    leases.close()

    assert refused is None
    assert ended == ["near", "far", "near", "near closed", "far closed"]
