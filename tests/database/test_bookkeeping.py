"""The ledger's statements, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import create_app
from config import Settings
from database.bookkeeping import add_up, hold_table, insert_once
from database.session import db, read_session, write_session
from database.tables.costs import LedgerRecord, UsageRollup
from services.costs.reconcile import compare_day
from tests.doubles.fake_clock import FakeClock
from tests.doubles.together import together
from tests.factories.costs import (
    book_alone,
    make_call,
    make_price,
    make_record,
    rebuild_while_booking,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLACE = {
    "day": date(2026, 1, 1),
    "user_id": "u1",
    "key_id": "k1",
    "workspace_id": "",
    "provider_id": "acme",
    "model_id": "acme/brain-1",
}
FIGURES = (
    "calls",
    "failed_calls",
    "unpriced_calls",
    "estimated_calls",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
)


@pytest.fixture
def app(either_url: str, settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application on each of the two databases."""
    app = create_app(replace(settings, database_url=either_url), clock=clock)
    with app.app_context():
        db.create_all()
    yield app
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()


def _row(app: Flask) -> UsageRollup:
    with app.app_context(), read_session() as session:
        return session.scalars(select(UsageRollup)).one()


def test_figures_are_added_to_what_stands_there(app):
    """The first call begins the day's row, the others raise it; money to the picodollar."""
    amounts = dict.fromkeys(FIGURES, 1) | {"cost_usd": Decimal("0.000000000001")}
    with app.app_context(), write_session() as session:
        for _ in range(3):
            add_up(session.connection(), UsageRollup, PLACE, amounts)
        session.commit()

    row = _row(app)
    assert [getattr(row, name) for name in FIGURES] == [3] * 9 + [Decimal("0.000000000003")]


def test_a_row_is_inserted_once(app):
    """The second insert of the same key says so and changes nothing."""
    make_price(app)
    make_record(app, "u1", call_id="c1")
    with app.app_context(), write_session() as session:
        row = session.scalars(select(LedgerRecord)).one()
        values = {each.key: getattr(row, each.key) for each in LedgerRecord.__table__.columns}

        is_new = insert_once(
            session.connection(), LedgerRecord, "call_id", values | {"id": "x", "user_id": "y"}
        )

        assert not is_new
        assert session.scalars(select(LedgerRecord.user_id)).all() == ["u1"]


def test_racing_bookings_lose_nothing_and_double_nothing(app):
    """Twelve calls by four workers at once, each booked by all of them."""
    make_price(app)
    calls = [make_call("u1", NOW, call_id=f"c{place}") for place in range(12)]

    def book_all(order: int) -> None:
        for call in calls[order * 3 :] + calls[: order * 3]:
            with app.app_context():
                book_alone(call)

    together([partial(book_all, order) for order in range(4)])

    with app.app_context(), read_session() as session:
        assert session.scalar(select(func.count()).select_from(LedgerRecord)) == 12
        assert session.scalar(select(func.sum(LedgerRecord.cost_usd))) == Decimal(36)
        assert compare_day(NOW.date()) == []


def test_a_held_table_keeps_bookings_waiting_and_not_failing(app):
    """A repair of the rollup must see every booking, before it or after it."""
    make_price(app)

    booked = rebuild_while_booking(app, NOW)

    with app.app_context():
        assert compare_day(NOW.date()) == []
    assert _row(app).calls == booked


def test_holding_a_table_leaves_readers_alone(app):
    """Figures are read on while the rollup is rebuilt."""
    make_record(app, "u1")
    with app.app_context(), write_session() as session:
        hold_table(session, UsageRollup)

        assert _row(app).calls == 1
