"""Claims: one makes it, the others learn who does."""

import threading
from functools import partial

import fakeredis
import pytest

from cache.backends.redis import RedisTier
from cache.claims import Claims
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_tier import make_tier
from tests.factories.caches import make_engine

TTL_S = 60


@pytest.fixture
def clock():
    """A clock that moves by hand."""
    return FakeClock()


@pytest.fixture
def server():
    """Redis, without a process."""
    return fakeredis.FakeServer()


@pytest.fixture
def workers(clock, server):
    """Two workers over one Redis."""
    tiers = [make_tier(fakeredis.FakeRedis(server=server), clock=clock) for _ in range(2)]
    yield [Claims(make_engine(FakeGenerations(), clock, tier)) for tier in tiers]
    for tier in tiers:
        tier.stop()


@pytest.fixture(params=["memory", "redis"])
def claims(request, clock):
    """One worker, with Redis and without."""
    if request.param == "redis":
        return request.getfixturevalue("workers")[0]
    return Claims(make_engine(FakeGenerations(), clock))


def test_the_first_holds_it_and_the_others_learn_of_it(claims):
    """Until it is given up."""
    told = [claims.claim("a", value, TTL_S) for value in ("s1", "s2")]
    claims.release("a", "s1")

    assert told == [None, "s1"]
    assert claims.claim("a", "s3", TTL_S) is None


def test_one_worker_learns_of_anothers(workers):
    """Through Redis."""
    one, two = workers
    told = [one.claim("a", "s1", TTL_S), two.claim("a", "s2", TTL_S)]
    one.release("a", "s1")

    assert told == [None, "s1"]
    assert two.claim("a", "s3", TTL_S) is None


def test_nobody_gives_up_anothers(workers):
    """A late end must not open what somebody else holds by now."""
    one, two = workers
    one.claim("a", "s1", TTL_S)
    two.release("a", "s2")
    one.release("a", "s2")

    assert two.claim("a", "s3", TTL_S) == "s1"


def test_a_claim_runs_out(claims, clock):
    """Its holder may be dead."""
    claims.claim("a", "s1", TTL_S)
    clock.advance(TTL_S + 1)

    assert claims.claim("b", "s2", TTL_S) is None


def test_a_redis_that_is_away_leaves_each_worker_its_own(workers, server):
    """Two calls are the worst of it."""
    one, two = workers
    server.connected = False

    assert [each.claim("a", f"s{place}", TTL_S) for place, each in enumerate((one, two))] == [
        None,
        None,
    ]
    assert one.claim("a", "s3", TTL_S) == "s0"


def test_what_stands_in_redis_is_believed_only_if_we_wrote_it(workers, server):
    """Followers are led by it: it must not lead them to another's stream."""
    fakeredis.FakeRedis(server=server).set("t:a", b"stream-of-somebody-else")

    assert workers[0].claim("a", "s1", TTL_S) is None


def test_all_claimants_of_a_worker_learn_of_another_worker(workers, monkeypatch):
    """Also the one that asks while Redis has not said yet who holds it."""
    one, two = workers
    one.claim("a", "s1", TTL_S)
    is_asking, may_answer = threading.Event(), threading.Event()
    add = RedisTier.add

    def add_slowly(*args):
        is_asking.set()
        assert may_answer.wait(30)
        return add(*args)

    monkeypatch.setattr(RedisTier, "add", add_slowly)
    told: list[str | None] = []
    claim = partial(two.claim, "a", ttl_s=TTL_S)
    first = threading.Thread(target=lambda: told.append(claim(value="s2")))
    second = threading.Thread(target=lambda: told.append(claim(value="s3")))
    first.start()
    assert is_asking.wait(30)
    second.start()
    may_answer.set()
    for each in (first, second):
        each.join(30)

    assert told == ["s1", "s1"]


def test_who_waits_goes_on_when_there_is_something_to_follow():
    """Or when it is over; and never for long."""
    claims = Claims(make_engine(FakeGenerations(), FakeClock()))
    claims.claim("a", "s1", TTL_S)
    waiter = threading.Thread(target=claims.wait, args=("a", 30))
    waiter.start()

    claims.announce("a")
    waiter.join(5)

    assert not waiter.is_alive()
    claims.wait("unclaimed", 30)
