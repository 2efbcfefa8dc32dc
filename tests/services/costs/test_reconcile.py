"""Reconciling: the rollup is proved against the ledger, and mended from it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import delete, update

from cache.namespaces import namespace_scope
from cache.scopes import EVERYONE
from database.tables.costs import UsageRollup
from schemas.costs_usage import UsageQuery
from services.costs.reconcile import compare_day, list_days, rebuild_day
from services.costs.usage import load_usage
from services.unit_of_work import unit_of_work
from tests.factories.costs import make_price, make_record, rebuild_while_booking

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TODAY = NOW.date()


def _spoil(statement) -> None:
    with unit_of_work() as work:
        work.session.execute(statement)
        work.invalidates(namespace_scope("analytics"))


def test_an_untouched_rollup_differs_in_nothing(app):
    """With every kind of call: priced, unpriced, failed, in a workspace, outside, at midnight."""
    make_price(app)
    make_record(app, "u1", datetime(2026, 1, 1, tzinfo=UTC))
    make_record(app, "u1", datetime(2026, 1, 2, tzinfo=UTC))
    make_record(app, "u1", workspace_id="w1")
    make_record(app, "u1", model_id="acme/unknown", status="broken", is_estimated=True)
    with app.app_context():
        assert compare_day(TODAY) == []


def test_a_figure_that_is_wrong_is_named(app):
    """Who reconciles must be told what is wrong, where and by how much."""
    make_price(app)
    make_record(app, "u1")
    with app.app_context():
        _spoil(update(UsageRollup).values(cost_usd=Decimal("2.999999999999")))

        (found,) = compare_day(TODAY)
    assert (found.figure, found.ledger, found.rollup) == (
        "cost_usd",
        Decimal(3),
        Decimal("2.999999999999"),
    )
    assert found.place["model_id"] == "acme/brain-1"


def test_a_lost_row_and_one_too_many_are_found(app):
    """Both ways of being wrong, on the days that either side knows."""
    make_record(app, "u1", NOW - timedelta(days=3))
    make_record(app, "u1")
    with app.app_context():
        _spoil(delete(UsageRollup).where(UsageRollup.day == TODAY))
        _spoil(update(UsageRollup).values(day=TODAY + timedelta(days=1)))

        wrong = [day for day in list_days() if compare_day(day)]
    assert wrong == [date(2025, 12, 29), TODAY, TODAY + timedelta(days=1)]


def test_a_rebuilt_day_is_right_again_and_seen_by_the_next_read(app):
    """The repair must reach the cached figures too."""
    make_price(app)
    make_record(app, "u1", workspace_id="w1")
    with app.app_context():
        _spoil(update(UsageRollup).values(calls=7, cost_usd=Decimal(99)))
        spoilt = load_usage(EVERYONE, UsageQuery()).value["totals"]["cost_usd"]

        rebuild_day(TODAY)

        assert compare_day(TODAY) == []
        assert spoilt == "99"
        assert load_usage(EVERYONE, UsageQuery()).value["totals"]["cost_usd"] == "3"


def test_calls_booked_while_a_day_is_rebuilt_are_neither_lost_nor_doubled(app):
    """A repair at noon must not need the server stopped."""
    make_price(app)

    booked = rebuild_while_booking(app, NOW)

    with app.app_context():
        assert compare_day(TODAY) == []
        assert load_usage(EVERYONE, UsageQuery()).value["totals"]["calls"] == booked


def test_without_a_call_there_is_no_day(app):
    """A new installation reconciles at once."""
    with app.app_context():
        assert list_days() == []
