"""Freshness classes: each promise, held to what writes and clocks do."""

import pytest
from flask import Flask

from cache.freshness import IMMUTABLE, MAX_KNOWN, NO_LEEWAY, STRICT, TTL, Leeway, Stamps, bounded
from cache.generations import Generations
from cache.scopes import Scope

ROW = "users:u1"
SCOPES = (Scope(ROW),)
OTHER = (Scope("users:u2"),)
OUTLIVING = pytest.mark.parametrize("freshness", [IMMUTABLE, TTL], ids=["immutable", "ttl"])


@pytest.fixture
def new_worker(store, clock):
    """Makes workers over one database: what each knows of its generations."""
    return lambda: Stamps(Generations(store), clock)


@pytest.fixture
def worker(new_worker):
    """One worker."""
    return new_worker()


@pytest.mark.parametrize(
    ("freshness", "value", "status"),
    [
        (STRICT, "strict", ""),
        (bounded(2.5), "bounded(2.5)", "; freshness=bounded; bound=2.5"),
        (IMMUTABLE, "immutable", "; freshness=immutable"),
        (TTL, "ttl", "; freshness=ttl"),
    ],
)
def test_a_class_says_what_it_is(freshness, value, status):
    """To admins and in `Cache-Status`; what is silent there is strict."""
    assert (freshness.value, freshness.status) == (value, status)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_bound_is_more_than_nothing(seconds):
    """One of none would be strict in all but name."""
    with pytest.raises(ValueError, match="more than 0"):
        bounded(seconds)


def test_strict_asks_each_time(worker, store):
    """Another worker's write is in the next stamp."""
    worker.stamp(SCOPES, STRICT)
    store.bump([ROW])

    assert worker.stamp(SCOPES, STRICT) == {ROW: 1}


def test_bounded_asks_once_within_its_bound(worker, store, clock):
    """That is what it is for."""
    stamps = [worker.stamp(SCOPES, bounded(5)) for _ in range(3)]
    clock.advance(4.9)
    stamps.append(worker.stamp(SCOPES, bounded(5)))

    assert stamps == [{ROW: 0}] * 4
    assert len(store.asked) == 1


def test_bounded_is_no_staler_than_its_bound(worker, store, clock):
    """Another worker's write is seen when the bound is over, to the instant."""
    worker.stamp(SCOPES, bounded(5))
    store.bump([ROW])

    clock.advance(4.9)
    before = worker.stamp(SCOPES, bounded(5))
    clock.advance(0.1)

    assert (before, worker.stamp(SCOPES, bounded(5))) == ({ROW: 0}, {ROW: 1})


def test_a_bound_begins_before_the_question(worker, store, clock):
    """A slow database does not lengthen it."""
    current = store.current
    store.current = lambda rows: (current(rows), clock.advance(3))[0]
    worker.stamp(SCOPES, bounded(5))
    store.current = current
    store.bump([ROW])

    clock.advance(2)

    assert worker.stamp(SCOPES, bounded(5)) == {ROW: 1}


def test_a_bound_does_not_add_to_the_length_of_a_request(worker, store, clock):
    """The memo of a request is as old as the request: it is no ground for a bound."""
    app = Flask("bare")
    with app.test_request_context("/"):
        worker.stamp(SCOPES, STRICT)
        clock.advance(60)
        store.bump([ROW])

        assert worker.stamp(SCOPES, bounded(5)) == {ROW: 1}


def test_a_worker_reads_its_own_writes(worker, store):
    """However long the bound is."""
    worker.stamp(SCOPES, bounded(3600))

    store.bump([ROW])
    worker.forget()

    assert worker.stamp(SCOPES, bounded(3600)) == {ROW: 1}


def test_what_was_asked_before_a_write_is_not_known_after_it(worker, store):
    """The question was on its way when another thread of this worker wrote."""
    current = store.current

    def ask_while_writing(rows):
        found = current(rows)
        store.bump([ROW])
        worker.forget()
        return found

    store.current = ask_while_writing
    worker.stamp(SCOPES, bounded(3600))
    store.current = current

    assert worker.stamp(SCOPES, bounded(3600)) == {ROW: 1}


def test_bounded_ends_with_the_database(worker, store, clock):
    """Within the bound it serves, then it is as strict."""
    worker.stamp(SCOPES, bounded(5))
    store.fault = LookupError("the database is away")

    assert worker.stamp(SCOPES, bounded(5)) == {ROW: 0}
    clock.advance(5)
    with pytest.raises(LookupError):
        worker.stamp(SCOPES, bounded(5))


@OUTLIVING
def test_a_purge_is_seen_at_once(worker, store, freshness):
    """These two are not told of writes, but of purges, on every worker."""
    worker.stamp(SCOPES, freshness)
    store.bump([ROW])

    assert worker.stamp(SCOPES, freshness) == {ROW: 1}


@OUTLIVING
def test_values_outlive_the_database(worker, store, clock, freshness):
    """By the purges that the worker has seen; their age is the TTL's business."""
    store.bump([ROW])
    worker.stamp(SCOPES, freshness)
    store.fault = LookupError("the database is away")
    clock.advance(3600)

    assert worker.stamp(SCOPES, freshness) == {ROW: 1}


@OUTLIVING
def test_what_was_never_seen_is_not_guessed(worker, store, freshness):
    """A purge that this worker has not heard of may have come."""
    worker.stamp(OTHER, freshness)
    store.fault = LookupError("the database is away")

    with pytest.raises(LookupError):
        worker.stamp(SCOPES, freshness)


def test_a_purge_that_was_seen_is_not_forgotten(worker, store):
    """A long request still has what it read before; neither that nor a write takes it back."""
    store.bump(["ns:users"])
    worker.stamp((*SCOPES, Scope("ns:users"), Scope("*")), STRICT)
    store.rows.clear()
    worker.stamp((*SCOPES, Scope("ns:users"), Scope("*")), STRICT)
    worker.purged([ROW, "*"])
    worker.forget()

    assert worker.purges == {"ns:users": 1, "*": 1}


def test_what_is_known_is_bounded(worker, store):
    """Owners of a year do not add up; those of today are there."""
    for number in range(MAX_KNOWN + 2):
        worker.stamp((Scope(f"users:{number}"),), TTL)
    store.fault = LookupError("the database is away")

    assert worker.stamp((Scope("users:2"),), TTL) == {"users:2": 0}
    with pytest.raises(LookupError):
        worker.stamp((Scope("users:1"),), TTL)


def test_a_leeway_keeps_an_entry_for_as_long_as_it_may_be_of_use():
    """After its end, whichever is longer."""
    assert Leeway(revalidate_s=5, if_error_s=60).after_s == 60
    assert Leeway(revalidate_s=60).after_s == 60
    assert NO_LEEWAY.after_s == 0
