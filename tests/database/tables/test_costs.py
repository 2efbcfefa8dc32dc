"""The ledger, prices and budgets as the tables keep them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from database.session import read_session, write_session
from database.tables.costs import Budget, LedgerRecord, Price, UsageRollup
from database.tables.users import User
from tests.factories.rows import NOW, count_rows, delete_row, make_record, make_user, put


def _price(**columns) -> Price:
    usual = {"model_id": "acme/brain", "source": "admin", "effective_from": NOW}
    usual["rates"] = {"input": "2.50"}
    return Price(created_at=NOW, **{**usual, **columns})


def _budget(**columns) -> Budget:
    usual = {"subject_kind": "user", "subject_id": "u1", "owner_id": "u1", "period": "day"}
    return Budget(created_by="u1", created_at=NOW, updated_at=NOW, **{**usual, **columns})


def test_a_call_is_booked_once(either):
    """Whoever books it a second time is told, and changes nothing."""
    put(make_record("call-1"))

    with pytest.raises(IntegrityError):
        put(make_record("call-1"))


@pytest.mark.parametrize(
    "statement",
    [update(LedgerRecord).values(cost_usd=Decimal(0)), delete(LedgerRecord)],
    ids=["update", "delete"],
)
def test_a_booked_call_is_never_changed(either, statement):
    """Not by a program's mistake either: the database refuses."""
    put(make_record("call-1", cost_usd=Decimal(1)))

    with write_session() as session, pytest.raises(DatabaseError, match="append-only"):
        session.execute(statement)


def test_a_booked_call_outlives_everything_it_names(either):
    """What was spent stays spent when a user, key or model is gone."""
    put(make_user(), make_record("call-1"))

    delete_row(User, id="u1")

    assert count_rows(LedgerRecord) == 1


def test_an_unknown_cost_is_null_and_not_free(either):
    """Sums would hide that a price is missing."""
    put(make_record("call-1", cost_usd=None), make_record("call-2", cost_usd=Decimal(0)))

    with read_session() as session:
        unpriced = select(LedgerRecord.call_id).where(LedgerRecord.cost_usd.is_(None))
        assert session.scalars(unpriced).all() == ["call-1"]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({"effective_from": NOW + timedelta(seconds=1)}, 2),
        ({"source": "table"}, 2),
        ({"model_id": "acme/other"}, 2),
    ],
)
def test_prices_differ_by_model_source_or_instant(either, columns, rows):
    """A history is kept of each."""
    put(_price(), _price(**columns))

    assert count_rows(Price) == rows


def test_one_instant_has_one_price(either):
    """What a call cost must not depend on which row is met first."""
    put(_price())

    with pytest.raises(IntegrityError):
        put(_price(rates={"input": "3"}))


def test_a_day_has_one_row_for_calls_without_a_workspace_too(either):
    """With a null in the key each call would begin a row of its own."""
    figures = dict.fromkeys(
        (
            "calls", "failed_calls", "unpriced_calls", "estimated_calls", "input_tokens",
            "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
        ), 1,
    )  # fmt: skip
    place = {
        "day": date(2026, 1, 1), "user_id": "u1", "key_id": "k1", "workspace_id": "",
        "provider_id": "acme", "model_id": "acme/brain",
    }  # fmt: skip
    put(UsageRollup(cost_usd=Decimal(1), **place, **figures))

    with pytest.raises(IntegrityError):
        put(UsageRollup(cost_usd=Decimal(1), **place, **figures))


def test_a_subject_has_one_budget_for_each_period(either):
    """Two limits of one day would be a riddle."""
    put(make_user(), _budget(), _budget(period="month"))

    with pytest.raises(IntegrityError):
        put(_budget(hard_limit_usd=Decimal(5)))
