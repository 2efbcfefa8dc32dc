"""Column types that keep promises, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, func, insert, select
from sqlalchemy.exc import StatementError

from database.types import Json, Money, UtcDateTime

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("seen_at", UtcDateTime),
    Column("cost_usd", Money),
    Column("words", Json),
)
INSTANT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)


@dataclass
class Shelf:
    """One table, written and read."""

    engine: Engine

    def put(self, **columns: Any) -> None:
        """Write a row."""
        with self.engine.begin() as connection:
            connection.execute(insert(THINGS).values(**columns))

    def get(self, what: Any) -> Any:
        """Read one value."""
        with self.engine.begin() as connection:
            return connection.scalar(select(what).select_from(THINGS))


@pytest.fixture
def shelf(either_url: str) -> Iterator[Shelf]:
    """An empty table on each of the two databases."""
    engine = create_engine(either_url)
    THINGS.create(engine)
    yield Shelf(engine)
    THINGS.drop(engine)
    engine.dispose()


def test_an_instant_comes_back_in_utc_to_the_microsecond(shelf):
    """It was given in another zone; it is the same moment."""
    shelf.put(seen_at=INSTANT.astimezone(timezone(timedelta(hours=5, minutes=45))))

    found = shelf.get(THINGS.c.seen_at)

    assert found == INSTANT
    assert found.utcoffset() == timedelta(0)


def test_instants_of_different_zones_are_compared_as_moments(shelf):
    """SQLite compares texts: all of them must be written in one zone."""
    shelf.put(seen_at=INSTANT)
    later = (INSTANT + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-8)))

    assert shelf.get(func.count().filter(THINGS.c.seen_at < later)) == 1
    assert shelf.get(func.count().filter(THINGS.c.seen_at > later)) == 0


def test_a_time_without_a_zone_is_refused(shelf):
    """A guess would be wrong for half of the world."""
    with pytest.raises(StatementError, match="must say its zone"):
        shelf.put(seen_at=INSTANT.replace(tzinfo=None))


@pytest.mark.parametrize("text", ["0", "0.000000000001", "0.1", "-12.5", "9000000.000000000001"])
def test_money_comes_back_to_the_picodollar(shelf, text):
    """What was booked is what is billed."""
    shelf.put(cost_usd=Decimal(text))

    assert shelf.get(THINGS.c.cost_usd) == Decimal(text)


def test_the_database_adds_money_exactly(shelf):
    """Ten times ten cents are a dollar, on PostgreSQL too, where a sum of bigints is numeric."""
    for _ in range(10):
        shelf.put(cost_usd=Decimal("0.1"))

    assert shelf.get(func.sum(THINGS.c.cost_usd, type_=Money)) == Decimal(1)


def test_money_finer_than_a_picodollar_is_refused(shelf):
    """Rounding is decided where an amount is made, not in silence here."""
    with pytest.raises(StatementError, match="finer than a picodollar"):
        shelf.put(cost_usd=Decimal("0.0000000000001"))


def test_json_comes_back_as_it_was(shelf):
    """Lists, letters of every kind, and what is null within."""
    shelf.put(words=["größe", {"a": [1, None]}])

    assert shelf.get(THINGS.c.words) == ["größe", {"a": [1, None]}]


def test_no_json_is_null_to_the_database(shelf):
    """`IS NULL` has to find rows without a value."""
    shelf.put(words=None)

    assert shelf.get(func.count().filter(THINGS.c.words.is_(None))) == 1


def test_absent_values_stay_absent(shelf):
    """A cost that is not known is not 0."""
    shelf.put(id=1)

    columns = (THINGS.c.seen_at, THINGS.c.cost_usd, THINGS.c.words)
    assert [shelf.get(column) for column in columns] == [None] * 3
