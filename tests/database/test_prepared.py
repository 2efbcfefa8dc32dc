"""Prepared statements write what the same statements write through SQLAlchemy."""

from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import bindparam, insert, select, update

from database.prepared import Prepared
from database.session import read_session, write_session
from database.tables.costs import LedgerRecord, Price
from tests.factories.rows import NOW, make_record, put

PRICES = Price.metadata.tables[Price.__tablename__]
RECORDS = LedgerRecord.metadata.tables[LedgerRecord.__tablename__]
ROW = {
    "model_id": "acme/brain",
    "source": "admin",
    "effective_from": NOW.astimezone(timezone(timedelta(hours=3))),
    "rates": {"input": "2.50", "ü'%s": None},
    "created_at": NOW,
}


def _prepared_insert() -> Prepared:
    return Prepared(lambda _: insert(PRICES), ("id", *ROW))


def _rows(table):
    with read_session() as session:
        return session.execute(select(table).order_by(table.c.id)).mappings().all()


def test_values_are_written_as_their_types_say(either):
    """Times in UTC, JSON as JSON: no reader can tell which way a row was written."""
    with write_session() as session:
        session.execute(insert(PRICES), ROW | {"id": "1"})
        _prepared_insert().run(session.connection(), ROW | {"id": "2", "source": "book"})
        session.commit()

    plain, prepared = _rows(PRICES)
    assert dict(prepared) == dict(plain) | {"id": "2", "source": "book"}


def test_one_is_run_again_with_other_values(either):
    """Money and null among them."""
    columns = [each.name for each in RECORDS.columns]
    prepared = Prepared(lambda _: insert(RECORDS), columns)
    put(make_record("a", cost_usd=Decimal("0.000000000001")))
    (first,) = _rows(RECORDS)

    with write_session() as session:
        for name, cost in (("b", None), ("c", Decimal(7))):
            values = dict(first) | {"id": f"z{name}", "call_id": name, "cost_usd": cost}
            prepared.run(session.connection(), values)
        session.commit()

    found = {row["call_id"]: row["cost_usd"] for row in _rows(RECORDS)}
    assert found == {"a": Decimal("0.000000000001"), "b": None, "c": Decimal(7)}


def test_what_no_run_gives_is_fixed(either):
    """In the types of its columns too."""
    later = NOW + timedelta(days=1)
    change = Prepared(
        lambda _: (
            update(PRICES)
            .where(PRICES.c.id == bindparam("which"))
            .values(created_at=later, source=bindparam("whose"))
        ),
        ("which", "whose"),
    )
    with write_session() as session:
        _prepared_insert().run(session.connection(), ROW | {"id": "1"})
        done = change.run(session.connection(), {"which": "1", "whose": "override"})
        session.commit()

    (row,) = _rows(PRICES)
    assert (done, row["created_at"], row["source"]) == (1, later, "override")


def test_a_value_that_is_missing_is_an_error(either):
    """Not a null."""
    with write_session() as session, pytest.raises(KeyError):
        _prepared_insert().run(session.connection(), ROW)
