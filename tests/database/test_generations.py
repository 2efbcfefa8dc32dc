"""Generations rise and never come back, on SQLite and on a real PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from database.generations import CacheGeneration, GenerationsOutOfReach, SqlGenerations, bump
from database.session import read_session, write_session
from tests.doubles.fake_clock import FakeClock
from tests.doubles.together import together

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def _us(clock: FakeClock) -> int:
    return int(clock.now().timestamp() * 1_000_000)


def _rows() -> dict[str, int]:
    with read_session() as session:
        return {row.scope: row.generation for row in session.scalars(select(CacheGeneration))}


def test_a_scope_that_was_never_written_reads_as_nought(either, clock):
    """No row has to be made before the first read."""
    assert SqlGenerations(clock).current(["folders:u1"]) == {"folders:u1": 0}


def test_a_write_raises_its_scopes_and_no_other(either, clock):
    """What did not change stays cached."""
    generations = SqlGenerations(clock)
    generations.bump(["a", "b"])

    assert generations.current(["a", "b", "c"]) == {"a": _us(clock), "b": _us(clock), "c": 0}


def test_two_writes_at_one_moment_are_told_apart(either, clock):
    """The clock may stand still between them: the number does not."""
    generations = SqlGenerations(clock)
    generations.bump(["a"])
    generations.bump(["a"])

    assert generations.current(["a"]) == {"a": _us(clock) + 1}


def test_a_clock_that_goes_back_lowers_nothing(either, clock):
    """A generation that came back would make an old entry servable again."""
    SqlGenerations(clock).bump(["a"])
    earlier = FakeClock(clock.now() - timedelta(days=1))

    SqlGenerations(earlier).bump(["a"])

    assert SqlGenerations(clock).current(["a"]) == {"a": _us(clock) + 1}


def test_a_lost_table_begins_above_all_that_was(either, clock):
    """After a restore from a backup the clock sees to it that no number returns."""
    generations = SqlGenerations(clock)
    generations.bump(["a"])
    generations.bump(["a"])
    before = generations.current(["a"])["a"]
    with write_session() as session:
        session.query(CacheGeneration).delete()
        session.commit()

    clock.advance(0.001)
    generations.bump(["a"])

    assert generations.current(["a"])["a"] > before


def test_a_write_that_is_rolled_back_raises_nothing(either, clock):
    """The rows and their generation go together or not at all."""
    with write_session() as session:
        bump(session.connection(), {"a": 1}, clock)
        session.rollback()

    assert SqlGenerations(clock).current(["a"]) == {"a": 0}


def test_others_see_a_generation_with_its_commit_and_not_before(either, clock):
    """A hit may be served until then, and from then on not."""
    generations = SqlGenerations(clock)
    with write_session() as session:
        bump(session.connection(), {"a": 1}, clock)
        during = generations.current(["a"])["a"]
        session.commit()

    assert (during, generations.current(["a"])["a"]) == (0, _us(clock))


def test_an_open_read_does_not_freeze_what_is_current(either, clock):
    """The validation asks the present, whatever snapshot the request's own reads hold."""
    generations = SqlGenerations(clock)
    with read_session() as session:
        session.scalars(select(CacheGeneration)).all()
        generations.bump(["a"])

        assert generations.current(["a"]) == {"a": _us(clock)}


def test_of_a_striped_scope_one_row_is_raised(either, clock):
    """Writers of a busy scope do not wait for each other on one row."""
    with write_session() as session:
        bump(session.connection(), {"analytics:everyone": 4}, clock)
        session.commit()

    (raised,) = _rows()
    assert raised in {f"analytics:everyone#{number}" for number in range(4)}


def test_a_write_that_changes_no_scope_leaves_no_row(either, clock):
    """Statistics are written without touching what is cached."""
    with write_session() as session:
        bump(session.connection(), {}, clock)
        session.commit()

    assert _rows() == {}


def _many(app: Flask, clock: FakeClock, *scopes: str) -> None:
    with app.app_context():
        for _ in range(10):
            SqlGenerations(clock).bump(scopes)


def test_racing_writers_lose_no_step_and_never_lock_each_other_out(either, clock):
    """Named in opposite orders, as two services would; each of forty writes is one step."""
    together([lambda: _many(either, clock, "a", "b"), lambda: _many(either, clock, "b", "a")] * 2)

    assert _rows() == {"a": _us(clock) + 39, "b": _us(clock) + 39}


def test_a_database_that_is_away_is_said_so(settings, clock):
    """Then nothing is known to be fresh, and nothing is served as if it were."""
    app = create_app(replace(settings, database_url=NOWHERE), clock=clock)

    with app.app_context(), pytest.raises(GenerationsOutOfReach):
        SqlGenerations(clock).current(["a"])
