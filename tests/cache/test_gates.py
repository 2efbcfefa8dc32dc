"""Gates: so many in a minute, the same in memory and in Redis."""

import fakeredis
import pytest

from cache.gates import Gates
from tests.doubles.fake_clock import FakeClock
from tests.doubles.redis_tier import make_tier


def _tier(clock, server):
    return make_tier(fakeredis.FakeRedis(server=server), clock=clock)


@pytest.fixture
def server():
    """Redis, without a process."""
    return fakeredis.FakeServer()


@pytest.fixture(params=["memory", "redis"])
def gates(request, clock, server):
    """Gates of one worker."""
    redis = _tier(clock, server) if request.param == "redis" else None
    yield Gates(redis=redis, clock=clock, prefix="t")
    if redis is not None:
        redis.stop()


def _passed(gates, tries, per_minute=3, name="a"):
    return [gates.enter(name, per_minute).wait_s == 0 for _ in range(tries)]


def test_a_minutes_share_may_pass_at_once(gates):
    """And not one more."""
    assert _passed(gates, 5) == [True, True, True, False, False]


def test_who_waits_as_long_as_told_passes(gates, clock):
    """What Retry-After says is true, to the step; refusals do not make it longer."""
    _passed(gates, 10)
    wait_s = gates.enter("a", 3).wait_s

    clock.advance(wait_s - 0.01)
    early = gates.enter("a", 3).wait_s
    clock.advance(0.01)

    assert wait_s == pytest.approx(20)
    assert early > 0
    assert _passed(gates, 2) == [True, False]


def test_after_a_quiet_minute_all_may_pass_again(gates, clock):
    """Nothing is held against anybody for longer."""
    _passed(gates, 10)
    clock.advance(60)

    assert _passed(gates, 4) == [True, True, True, False]


def test_over_an_hour_no_more_pass_than_may(gates, clock):
    """One try a second, an hour long."""
    passed = 0
    for _ in range(3600):
        passed += gates.enter("a", 7).wait_s == 0
        clock.advance(1)

    assert 7 * 59 <= passed <= 7 * 61


def test_many_may_pass_at_once(gates, clock):
    """Tokens come by the thousand; a call's need is one step."""
    first = gates.enter("a", 1000, 600)
    refused = gates.enter("a", 1000, 600)
    clock.advance(refused.wait_s)

    assert (first.wait_s, first.remaining, first.reset_s) == (0, 400, 36)
    assert (refused.wait_s, refused.remaining) == (pytest.approx(12), 400)
    assert gates.enter("a", 1000, 600).wait_s == 0


@pytest.mark.parametrize(("used", "remaining"), [(100, 899), (600, 399), (900, 99), (2000, 0)])
def test_an_estimate_is_put_right(gates, used, remaining):
    """Also beyond the limit: what was used counts, whatever may pass."""
    gates.enter("a", 1000, 600)
    gates.settle("a", 1000, used - 600)

    assert gates.enter("a", 1000, 1).remaining == remaining


def test_what_was_used_beyond_the_limit_is_worked_off(gates, clock):
    """The average holds, however large one call was."""
    gates.enter("a", 1000, 1000)
    gates.settle("a", 1000, 1000)
    clock.advance(60)
    early = gates.enter("a", 1000, 1000)
    clock.advance(60)

    assert early.wait_s == pytest.approx(60)
    assert gates.enter("a", 1000, 1000).wait_s == 0


def test_giving_back_late_gives_no_credit(gates, clock):
    """A full share is the most there is."""
    gates.enter("a", 1000, 600)
    clock.advance(120)
    gates.settle("a", 1000, -600)

    assert gates.enter("a", 1000, 1000).wait_s == 0
    assert gates.enter("a", 1000, 1).wait_s > 0


def test_where_a_gate_stands_is_told_once_it_is_put_right(gates):
    """What is left then is more, or less, than the estimate had left."""
    gates.enter("a", 1000, 600)

    back, more = gates.settle("a", 1000, -500), gates.settle("a", 1000, 1900)

    assert (back.wait_s, back.remaining, back.reset_s) == (0, 900, 6)
    assert (more.wait_s, more.remaining, more.reset_s) == (0, 0, 120)


def test_gates_do_not_know_each_other(gates):
    """One key's hurry is not another's."""
    _passed(gates, 5)

    assert _passed(gates, 1, name="b") == [True]


def test_workers_share_a_gate_through_redis(clock, server):
    """Else the limit would be times the workers."""
    tiers = [_tier(clock, server) for _ in range(2)]
    one, two = [Gates(redis=tier, clock=clock, prefix="t") for tier in tiers]

    assert _passed(one, 2) + _passed(two, 2) == [True, True, True, False]
    for tier in tiers:
        tier.stop()


def test_a_clock_that_was_read_just_before_another_passed_makes_nobody_wait_longer(server):
    """Official clients do not heed a wait of more than a minute."""
    clocks = [FakeClock(), FakeClock()]
    clocks[0].advance(0.02)
    tiers = [_tier(each, server) for each in clocks]
    one, two = [
        Gates(redis=tier, clock=clock, prefix="t")
        for tier, clock in zip(tiers, clocks, strict=True)
    ]
    one.enter("a", 1)

    refused = two.enter("a", 1)

    assert (refused.wait_s, refused.remaining, refused.reset_s) == (60, 0, 60)
    for tier in tiers:
        tier.stop()


def test_without_redis_each_worker_counts_for_itself(clock, server):
    """No request fails for Redis' sake."""
    server.connected = False
    tier = _tier(clock, server)

    assert _passed(Gates(redis=tier, clock=clock, prefix="t"), 4) == [True, True, True, False]
    tier.stop()


def test_what_redis_keeps_runs_out(clock, server):
    """Gates that nobody passes leave nothing behind."""
    tier = _tier(clock, server)
    Gates(redis=tier, clock=clock, prefix="t").enter("a", 3)

    assert 0 < fakeredis.FakeRedis(server=server).pttl("t:gate:a") <= 20_000
    tier.stop()


def test_what_memory_keeps_is_bounded():
    """A million keys are not a million entries."""
    gates = Gates(redis=None, clock=FakeClock(), prefix="t")
    for number in range(10_050):
        gates.enter(str(number), 1)

    assert gates.enter("0", 1).wait_s == 0
    assert gates.enter("10049", 1).wait_s > 0
