"""Leeway: what is served beyond a class, said as stale, and what never is."""

import threading

import pytest

from cache.freshness import Leeway, bounded
from cache.results import Outcome, ReadPolicy, reading
from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine
from tests.streams.scripts import wait_until

REVALIDATE = Leeway(revalidate_s=60)
IF_ERROR = Leeway(if_error_s=600)
LIMIT_S = 10


class Away(OSError):
    """The database or a loader out of reach."""


@pytest.fixture
def worker(store, clock):
    """A worker with memory alone."""
    return make_engine(store, clock)


def _fail() -> None:
    raise Away("refused")


def _reads(worker) -> dict[str, float]:
    figures = worker.statistics.snapshot()
    head = "reads|users|me|"
    return {name.removeprefix(head): n for name, n in figures.items() if name.startswith(head)}


def _refreshed(worker) -> bool:
    return bool(worker.statistics.snapshot().get("refreshes|users|loaded"))


def test_what_is_over_is_served_while_it_is_made_anew(worker, clock):
    """stale-while-revalidate: nobody waits; the next reader has the new one."""
    worker.read(make_call(Answers("old"), leeway=REVALIDATE))
    clock.advance(301)

    stale = worker.read(make_call(Answers("new"), leeway=REVALIDATE))
    wait_until(lambda: _refreshed(worker))
    fresh = worker.read(make_call(leeway=REVALIDATE))

    assert (stale.value, stale.outcome) == ("old", Outcome.STALE)
    assert stale.cache_status == "larder; fwd=stale; ttl=0; detail=expired"
    assert (fresh.value, fresh.outcome) == ("new", Outcome.HIT)


def test_every_read_is_counted_once(worker, clock):
    """Hits, misses and stale ones are the reads, to the unit."""
    worker.read(make_call(leeway=REVALIDATE))
    clock.advance(301)
    worker.read(make_call(leeway=REVALIDATE))
    wait_until(lambda: _refreshed(worker))
    worker.read(make_call(leeway=REVALIDATE))

    assert _reads(worker) == {"miss|absent": 1, "stale|expired": 1, "hit|memory": 1}


@pytest.mark.parametrize("leeway", [REVALIDATE, Leeway(revalidate_s=60, soft_s=5)])
def test_what_a_write_made_old_is_never_served_meanwhile(worker, clock, store, leeway):
    """Strict is strict: an entry that is over may only be served while its stamp is current."""
    worker.read(make_call(Answers("old"), leeway=leeway))
    clock.advance(301)
    store.bump(["users:u1"])

    found = worker.read(make_call(Answers("new"), leeway=leeway))

    assert (found.value, found.outcome, found.detail) == ("new", Outcome.MISS, "stamp")


def test_a_write_during_the_refresh_is_seen(worker, clock, store):
    """The refresh was begun for an entry that the write has made old."""
    may_end = threading.Event()

    def load() -> str:
        assert may_end.wait(LIMIT_S)
        return "before the write"

    worker.read(make_call(Answers("old"), leeway=REVALIDATE))
    clock.advance(301)
    worker.read(make_call(load, leeway=REVALIDATE))
    store.bump(["users:u1"])
    during = worker.read(make_call(Answers("after the write"), leeway=REVALIDATE))
    may_end.set()
    wait_until(lambda: _refreshed(worker))

    after = worker.read(make_call(Answers("unused"), leeway=REVALIDATE))

    assert (during.value, after.value) == ("after the write", "after the write")


def test_a_refresh_from_before_a_write_is_no_answer(worker, clock, store):
    """It hangs until what the write had loaded anew is over, too, and a reader waits for it."""
    patient, may_end = Leeway(revalidate_s=600, soft_s=LIMIT_S), threading.Event()
    found: list[object] = []

    def load() -> str:
        assert may_end.wait(LIMIT_S)
        return "before the write"

    worker.read(make_call(Answers("old"), leeway=REVALIDATE))
    clock.advance(301)
    worker.read(make_call(load, leeway=REVALIDATE))
    store.bump(["users:u1"])
    call = make_call(Answers("after the write"), leeway=patient)
    worker.read(call)
    clock.advance(301)
    reader = threading.Thread(target=lambda: found.append(worker.read(call).value))
    reader.start()
    threading.Event().wait(0.05)  # for it to wait for the refresh
    may_end.set()
    reader.join(LIMIT_S)

    assert found == ["after the write"]


@pytest.mark.parametrize("leeway", [REVALIDATE, IF_ERROR])
def test_what_was_set_by_hand_has_none(store, clock, leeway):
    """Its form was looked at while its time was not over, and no longer."""
    worker = make_engine(store, clock, stale_s=600, outages=(Away,))
    worker.read(make_call(Answers("old"), leeway=leeway))
    worker.memory.get(make_call().key).is_manual = True
    clock.advance(301)

    assert worker.read(make_call(Answers("new"), leeway=leeway)).outcome is Outcome.MISS


def test_the_leeway_ends(worker, clock):
    """After it a reader waits, as without one."""
    worker.read(make_call(Answers("old"), leeway=REVALIDATE))
    clock.advance(300 + 61)

    assert worker.read(make_call(Answers("new"), leeway=REVALIDATE)).outcome is Outcome.MISS


def test_without_leeway_a_reader_waits(worker, clock):
    """Nothing is served stale that was not declared so."""
    worker.read(make_call(Answers("old")))
    clock.advance(301)

    assert worker.read(make_call(Answers("new"))).value == "new"


def test_a_request_for_something_new_waits(worker, clock):
    """`Cache-Control: no-cache`."""
    worker.read(make_call(Answers("old"), leeway=REVALIDATE))
    clock.advance(301)

    with reading(ReadPolicy.REFRESH):
        found = worker.read(make_call(Answers("new"), leeway=REVALIDATE))

    assert (found.value, found.outcome) == ("new", Outcome.MISS)


def test_a_reader_waits_as_long_as_the_soft_limit(worker, clock):
    """A quick load is waited for, and is a miss like any other."""
    leeway = Leeway(revalidate_s=60, soft_s=LIMIT_S)
    worker.read(make_call(Answers("old"), leeway=leeway))
    clock.advance(301)

    found = worker.read(make_call(Answers("new"), leeway=leeway))

    assert (found.value, found.outcome, found.detail) == ("new", Outcome.MISS, "expired")


def test_a_load_over_the_soft_limit_goes_on_behind(worker, clock):
    """Its reader takes the old one; what it brings is kept."""
    leeway = Leeway(revalidate_s=60, soft_s=0.01)
    may_end = threading.Event()

    def load() -> str:
        assert may_end.wait(LIMIT_S)
        return "new"

    worker.read(make_call(Answers("old"), leeway=leeway))
    clock.advance(301)
    stale = worker.read(make_call(load, leeway=leeway))
    may_end.set()
    wait_until(lambda: _refreshed(worker))

    assert (stale.value, stale.outcome) == ("old", Outcome.STALE)
    assert worker.read(make_call(leeway=leeway)).value == "new"


def test_the_last_good_value_stands_in_for_a_loader_out_of_reach(worker, clock):
    """stale-if-error: labelled, counted, and no more than that."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    clock.advance(301)

    stale = worker.read(make_call(_fail, leeway=IF_ERROR))

    assert stale.cache_status == "larder; fwd=stale; ttl=0; detail=error"
    assert stale.value == "old"
    assert _reads(worker) == {"miss|absent": 1, "stale|error": 1}


def test_it_stands_in_even_if_a_write_made_it_old(worker, store):
    """That is what the label says; a loader that answers is what readers get else."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    store.bump(["users:u1"])

    stale = worker.read(make_call(_fail, leeway=IF_ERROR))
    fresh = worker.read(make_call(Answers("new"), leeway=IF_ERROR))

    assert (stale.value, stale.outcome) == ("old", Outcome.STALE)
    assert (fresh.value, fresh.outcome) == ("new", Outcome.MISS)


@pytest.mark.parametrize("row", ["ns:users", "*"])
def test_what_was_purged_does_not_stand_in(worker, store, row):
    """Whoever clears a cache does not want to see what was in it."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    store.bump([row])

    with pytest.raises(Away):
        worker.read(make_call(_fail, leeway=IF_ERROR))


def test_without_the_database_the_last_good_value_stands_in(worker, store):
    """Nobody can say what is fresh; what has not opted in fails."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    worker.read(make_call(Answers("old"), owner="u2"))
    store.fault = Away("the database is away")

    stale = worker.read(make_call(Answers("unused"), leeway=IF_ERROR))

    assert (stale.value, stale.outcome, stale.detail) == ("old", Outcome.STALE, "error")
    with pytest.raises(Away):
        worker.read(make_call(owner="u2"))
    with pytest.raises(Away):
        worker.read(make_call(owner="u3", leeway=IF_ERROR))


@pytest.mark.parametrize("row", ["ns:users", "*"])
def test_what_was_seen_to_be_purged_does_not_stand_in_without_it(worker, store, row):
    """Any read shows it to the worker; what was made since stands in."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    store.bump([row])
    worker.read(make_call(Answers("new"), owner="u2", leeway=IF_ERROR))
    store.fault = Away("the database is away")

    with pytest.raises(Away):
        worker.read(make_call(leeway=IF_ERROR))
    assert worker.read(make_call(owner="u2", leeway=IF_ERROR)).value == "new"


def test_what_a_worker_has_purged_does_not_stand_in(worker, store):
    """Though it has read nothing since."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    store.bump(["ns:users"])
    worker.stamps.purged(["ns:users"])
    store.fault = Away("the database is away")

    with pytest.raises(Away):
        worker.read(make_call(leeway=IF_ERROR))


def test_standing_in_ends(worker, clock):
    """After its time the error is the answer."""
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    clock.advance(300 + 601)

    with pytest.raises(Away):
        worker.read(make_call(_fail, leeway=IF_ERROR))


def test_an_operator_may_allow_less(store, clock):
    """Nothing at all, say: then an error is an error."""
    worker = make_engine(store, clock, stale_s=0)
    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    clock.advance(301)

    with pytest.raises(Away):
        worker.read(make_call(_fail, leeway=IF_ERROR))
    store.fault = Away("the database is away")
    with pytest.raises(Away):
        worker.read(make_call(leeway=IF_ERROR))


@pytest.mark.parametrize(("leeway", "stale_s"), [(Leeway(), 600), (REVALIDATE, 600), (IF_ERROR, 0)])
def test_what_a_write_made_old_never_stands_in_without_leave(store, clock, leeway, stale_s):
    """The database dies between saying what is fresh and the load: its time is not over yet."""
    worker = make_engine(store, clock, stale_s=stale_s)
    worker.read(make_call(Answers("old"), leeway=leeway))
    store.bump(["users:u1"])

    with pytest.raises(Away):
        worker.read(make_call(_fail, leeway=leeway))
    assert _reads(worker) == {"miss|absent": 1, "miss|stamp": 1}


def test_an_answer_that_is_an_error_is_an_answer(worker, clock):
    """Not found is what the database says: no older value stands in for it."""

    def not_found() -> None:
        raise LookupError("not found")

    worker.read(make_call(Answers("old"), leeway=IF_ERROR))
    clock.advance(301)

    with pytest.raises(LookupError):
        worker.read(make_call(not_found, leeway=IF_ERROR))
    assert _reads(worker) == {"miss|absent": 1, "miss|expired": 1}


def test_a_weaker_class_may_have_leeway_too(worker, clock):
    """The header says both."""
    freshness = bounded(5)
    worker.read(make_call(Answers("old"), freshness=freshness, leeway=REVALIDATE))
    clock.advance(301)

    stale = worker.read(make_call(Answers("new"), freshness=freshness, leeway=REVALIDATE))

    assert stale.cache_status.endswith("detail=expired; freshness=bounded; bound=5")
