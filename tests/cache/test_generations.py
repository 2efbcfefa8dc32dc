"""Generations: read once a request, before any entry is looked at, and never guessed wrong."""

import pytest
from flask import Flask

from cache.generations import MAX_GUESSED_ROWS, MAX_GUESSES, Generations
from cache.scopes import Scope
from tests.doubles.fake_generations import FakeGenerations

ONE, TWO = Scope("users:u1"), Scope("ns:users")


@pytest.fixture
def store():
    """The table."""
    return FakeGenerations()


@pytest.fixture
def generations(store):
    """What reads it."""
    return Generations(store)


@pytest.fixture
def request_of():
    """Begins requests of an application that has nothing else."""
    app = Flask("bare")

    def begin(path: str = "/", key: str = "lk-1", *, is_bearer: bool = True):
        name, value = ("Authorization", f"Bearer {key}") if is_bearer else ("X-Api-Key", key)
        return app.test_request_context(path, headers={name: value})

    return begin


def test_a_stamp_has_every_row_of_every_scope(generations, store):
    """One that were left out could be written without the reader noticing."""
    store.rows = {"users:u1": 5, "users:everyone#1": 7}

    stamp = generations.stamp([ONE, Scope("users:everyone", 2), TWO])

    assert stamp == {
        "users:u1": 5,
        "users:everyone#0": 0,
        "users:everyone#1": 7,
        "ns:users": 0,
    }


def test_outside_a_request_each_read_asks(generations, store):
    """A background thread lives long: what it read once is not fresh for ever."""
    before = generations.stamp([ONE])
    store.bump(["users:u1"])

    assert (before, generations.stamp([ONE])) == ({"users:u1": 0}, {"users:u1": 1})


def test_within_a_request_a_scope_is_asked_once(generations, store, request_of):
    """Ten cached reads cost one query."""
    with request_of():
        stamps = [generations.stamp([ONE, TWO]) for _ in range(10)]

    assert len(store.asked) == 1
    assert stamps == [{"users:u1": 0, "ns:users": 0}] * 10


def test_within_a_request_nothing_changes(generations, store, request_of):
    """Its reads belong together, whatever others write meanwhile."""
    with request_of():
        generations.stamp([ONE])
        store.bump(["users:u1"])
        again = generations.stamp([ONE])

    assert again == {"users:u1": 0}


def test_the_next_request_sees_what_was_written(generations, store, request_of):
    """The memo ends with its request: also when the next has the same caller and path."""
    with request_of():
        generations.stamp([ONE])
    store.bump(["users:u1"])

    with request_of():
        assert generations.stamp([ONE]) == {"users:u1": 1}


def test_a_request_that_has_written_reads_anew(generations, store, request_of):
    """Read your own writes, within one request too."""
    with request_of():
        generations.stamp([ONE])
        store.bump(["users:u1"])
        generations.forget()

        assert generations.stamp([ONE]) == {"users:u1": 1}


def test_a_bump_is_seen_by_the_request_that_made_it(generations, request_of):
    """Clearing a namespace and reading it again within one request is a miss."""
    with request_of():
        before = generations.stamp([ONE])
        generations.bump([ONE])

        assert generations.stamp([ONE]) != before


def test_a_bump_of_a_striped_scope_changes_its_stamp(generations):
    """One row is enough: readers compare all."""
    scope = Scope("users:everyone", 4)
    before = generations.stamp([scope])

    generations.bump([scope])

    assert generations.stamp([scope]) != before


def test_a_callers_second_request_asks_once_for_all_its_scopes(generations, store, request_of):
    """What a caller needed last is fetched with the first query."""
    for _ in range(2):
        with request_of():
            generations.stamp([ONE])
            generations.stamp([TWO])

    assert [sorted(asked) for asked in store.asked] == [
        ["users:u1"],
        ["ns:users"],
        ["ns:users", "users:u1"],
    ]


@pytest.mark.parametrize("other", [{"path": "/other"}, {"key": "lk-2"}])
@pytest.mark.parametrize("is_bearer", [True, False])
def test_guesses_are_a_callers_own(generations, store, request_of, other, is_bearer):
    """Another path or another key needs other scopes, in whichever header the key is sent."""
    with request_of(is_bearer=is_bearer):
        generations.stamp([ONE])
        generations.stamp([TWO])
    store.asked.clear()

    with request_of(**other, is_bearer=is_bearer):
        generations.stamp([ONE])

    assert store.asked == [("users:u1",)]


@pytest.mark.parametrize("keys", [["lk-admin"] * 50, [f"lk-{number}" for number in range(50)]])
@pytest.mark.parametrize("is_bearer", [True, False])
def test_a_guess_holds_what_its_last_request_used(generations, store, request_of, keys, is_bearer):
    """An admin who looks at one owner after another, or all keys of a proxy, would fill it."""
    for number, key in enumerate([*keys, keys[-1]]):
        owner = f"u{min(number, 49)}"
        with request_of(f"/?user_id={owner}", key, is_bearer=is_bearer):
            generations.stamp([TWO])
            generations.stamp([Scope(f"users:{owner}")])

    assert max(len(asked) for asked in store.asked) <= 3
    assert sorted(store.asked[-1]) == ["ns:users", "users:u49"]


def test_what_a_request_used_before_it_wrote_is_guessed_too(generations, store, request_of):
    """Else every write would cost the next request of its kind a query more."""
    for _ in range(2):
        with request_of():
            generations.stamp([ONE])
            generations.stamp([TWO])
            generations.forget()
            generations.stamp([Scope("keys:u1")])
            generations.stamp([Scope("ns:keys")])

    assert len(store.asked) == 4 + 2


def test_a_long_guess_is_not_kept(generations, store, request_of):
    """A SELECT over a hundred rows is dearer than a second one."""
    for _ in range(2):
        with request_of():
            generations.stamp([ONE])
            generations.stamp([Scope("users:everyone", MAX_GUESSED_ROWS)])

    assert [len(asked) for asked in store.asked] == [1, MAX_GUESSED_ROWS] * 2


def test_a_wrong_guess_costs_a_query_only(generations, store, request_of):
    """A scope that was not guessed is asked for, and answered as it is."""
    with request_of():
        generations.stamp([ONE])
    store.bump(["ns:users"])

    with request_of():
        generations.stamp([ONE])

        assert generations.stamp([TWO]) == {"ns:users": 1}


def test_guesses_are_bounded(generations, request_of):
    """A scanner that asks for a million paths does not fill the memory."""
    generations._guesses.update(  # noqa: SLF001 (a million requests take too long)
        (number, frozenset()) for number in range(MAX_GUESSES + 5)
    )

    with request_of():
        generations.stamp([ONE])
        generations.stamp([TWO])

    assert len(generations._guesses) == MAX_GUESSES  # noqa: SLF001


def test_the_present_is_read_past_the_memo(generations, store, request_of):
    """The auditor asks whether a write came between."""
    with request_of():
        generations.stamp([ONE])
        store.bump(["users:u1"])

        assert generations.now([ONE]) == {"users:u1": 1}
        assert generations.stamp([ONE]) == {"users:u1": 0}


@pytest.mark.parametrize("in_request", [True, False])
def test_a_database_that_is_away_is_an_error(generations, store, request_of, in_request):
    """Freshness cannot be known then: nothing is served as if it were."""
    store.fault = ConnectionError("the database is away")

    context = request_of() if in_request else Flask("bare").app_context()
    with context, pytest.raises(ConnectionError):
        generations.stamp([ONE])
