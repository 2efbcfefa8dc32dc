"""The ledger: one row a call, whatever happens, at the price of its time."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import delete, func, select, update

from database.session import read_session
from database.tables.costs import LedgerRecord, UsageRollup
from providers.protocol import Usage
from services.costs.ledger import (
    MAX_MS,
    MAX_TOKENS,
    SavedCall,
    answered_call,
    book,
    priced,
)
from services.costs.reconcile import compare_day
from services.errors import Conflict
from services.unit_of_work import unit_of_work
from tests.doubles.together import together
from tests.factories.costs import (
    MODEL,
    PROVIDER,
    book_alone,
    make_call,
    make_price,
    make_record,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _count(table: type[LedgerRecord] | type[UsageRollup]) -> int:
    with read_session() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_call_is_booked_with_its_cost_and_its_rates(app):
    """The row alone must tell why it costs what it costs."""
    make_price(app, cached_input="0.5")
    usage = Usage(1000, 10, cached_tokens=400)
    with app.app_context():
        row = book_alone(make_call("u1", NOW, usage=usage))

    assert row["cost_usd"] == Decimal("0.0012") + Decimal("0.0002") + Decimal("0.0001")
    assert row["rates"] == {"input": "2", "output": "10", "cached_input": "0.5"}
    assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == (1000, 400, 10)


def test_a_model_without_a_price_is_unpriced_and_not_free(app):
    """A zero would say that nothing was spent."""
    cost = make_record(app, "u1")

    with app.app_context(), read_session() as session:
        rollup = session.scalars(select(UsageRollup)).one()
    assert cost is None
    assert (rollup.unpriced_calls, rollup.cost_usd) == (1, Decimal(0))


def test_a_price_of_zero_is_priced(app):
    """What is free is not unknown."""
    make_price(app, input="0", output="0")

    cost = make_record(app, "u1")

    with app.app_context(), read_session() as session:
        assert session.scalars(select(UsageRollup.unpriced_calls)).one() == 0
    assert cost == 0


def test_a_providers_explicit_zero_stays_a_zero(app):
    """A zero taken for missing, and estimated over, bills what was never used."""
    make_price(app)
    with app.app_context():
        row = book_alone(make_call("u1", NOW, usage=Usage(0, 0)))

    assert (row["input_tokens"], row["output_tokens"]) == (0, 0)
    assert row["cost_usd"] == 0
    assert not row["is_estimated"]


def test_a_call_that_nobody_counted_is_unpriced_and_marked(app):
    """No count is no proof that nothing was used."""
    make_price(app)
    with app.app_context():
        row = book_alone(make_call("u1", NOW, usage=None))

    assert row["cost_usd"] is None
    assert row["is_estimated"]


def test_a_call_refused_before_its_first_token_costs_nothing(app):
    """It is booked all the same: errors are part of the record."""
    cost = make_record(
        app, "u1", status="error", error_code="provider_unavailable", usage=Usage(0, 0)
    )

    with app.app_context(), read_session() as session:
        rollup = session.scalars(select(UsageRollup)).one()
    assert cost == 0
    assert (rollup.failed_calls, rollup.unpriced_calls) == (1, 0)


def test_a_failed_call_whose_tokens_were_counted_costs_what_they_do(app):
    """A provider bills the prompt that it has read, whatever came of it."""
    make_price(app)

    cost = make_record(app, "u1", status="error", usage=Usage(1000, 0))

    assert cost == Decimal("0.002")


def test_an_answer_from_the_response_cache_is_no_call(app):
    """It is counted apart, with what it saved: nobody was called, and nobody is paid."""
    make_price(app)

    cost = make_record(app, "u1", status="cached", usage=Usage(0, 0), saved=Usage(1000, 10))

    with app.app_context(), read_session() as session:
        rollup = session.scalars(select(UsageRollup)).one()
    assert (cost, rollup.saved_usd) == (Decimal(0), Decimal("0.0021"))
    assert (rollup.calls, rollup.cache_hits, rollup.input_tokens) == (0, 1, 0)


@pytest.mark.parametrize(
    ("status", "is_told"), [("ok", True), ("broken", False), ("cancelled", False), ("error", False)]
)
def test_what_a_call_used_is_told_once_it_was_answered_to_its_end(app, status, is_told):
    """Who shares a call that comes to nothing has saved nothing."""
    make_record(app, "u1", call_id="shared", status=status, usage=Usage(7, 3))

    with app.app_context():
        told = answered_call("shared")
        assert answered_call("unknown") is None

    assert told == (SavedCall(PROVIDER, MODEL, Usage(7, 3)) if is_told else None)


def test_counts_beyond_belief_are_cut_and_not_lost(app):
    """A provider's nonsense must neither break the booking nor turn the sums negative."""
    make_price(app)
    with app.app_context():
        row = book_alone(make_call("u1", NOW, usage=Usage(-5, 10**30)))

    assert (row["input_tokens"], row["output_tokens"]) == (0, MAX_TOKENS)


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("lasted_ms", "booked_ms"), [(40 * 86_400_000, MAX_MS), (-5, 0)])
def test_a_time_beyond_belief_is_cut(app, lasted_ms, booked_ms):
    """A lost stream may be ended by a database restored weeks later, or by a clock set back."""
    with app.app_context():
        row = book_alone(make_call("u1", NOW, duration_ms=lasted_ms, first_token_ms=lasted_ms))

    assert (row["duration_ms"], row["first_token_ms"]) == (booked_ms, booked_ms)


def test_booking_a_call_again_gives_the_first_row_and_adds_nothing(app):
    """A retried close of an answer must not bill it twice."""
    make_price(app)
    call = make_call("u1", NOW)
    with app.app_context():
        first = book_alone(call)
        again = book_alone(make_call("u1", NOW, call_id=call.call_id, usage=Usage(9, 9)))

        assert again["id"] == first["id"]
        assert again["cost_usd"] == first["cost_usd"]
        assert (_count(LedgerRecord), compare_day(NOW.date())) == (1, [])


def test_racing_bookings_of_one_call_leave_one_row(app):
    """A dying worker's booking and its rescuer's may meet."""
    make_price(app)
    call = make_call("u1", NOW)

    def try_booking() -> None:
        with app.app_context():
            book_alone(call)

    together([try_booking] * 8)

    with app.app_context():
        assert (_count(LedgerRecord), compare_day(NOW.date())) == (1, [])


def test_racing_bookings_of_many_calls_all_reach_the_rollup(app):
    """An upsert that reads, adds and writes back would lose some."""
    make_price(app)

    def book_some() -> None:
        for _ in range(10):
            make_record(app, "u1", NOW)

    together([book_some] * 6)

    with app.app_context(), read_session() as session:
        rollup = session.scalars(select(UsageRollup)).one()
        assert (rollup.calls, rollup.cost_usd) == (60, Decimal(3) * 60)
        assert compare_day(NOW.date()) == []


def test_a_transaction_that_fails_books_nothing(app):
    """Ledger, rollup and answer stand or fall together."""
    make_price(app)

    def book_and_fail() -> None:
        owed = priced(make_call("u1", NOW))
        with unit_of_work() as work:
            book(work, owed)
            raise ZeroDivisionError

    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            book_and_fail()

        assert (_count(LedgerRecord), _count(UsageRollup)) == (0, 0)


@pytest.mark.parametrize(
    "statement",
    [update(LedgerRecord).values(cost_usd=Decimal(0)), delete(LedgerRecord)],
    ids=["update", "delete"],
)
def test_a_booked_row_can_be_neither_changed_nor_deleted(app, statement):
    """The database itself refuses, whatever code comes to run on it."""
    make_record(app, "u1")

    def rewrite() -> None:
        with unit_of_work() as work:
            work.session.execute(statement)

    with app.app_context(), pytest.raises(Conflict):
        rewrite()


def test_a_call_counts_on_the_day_it_was_made(app):
    """One that runs over midnight belongs to the day, and the budget, it began in."""
    make_record(app, "u1", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))

    with app.app_context(), read_session() as session:
        assert str(session.scalars(select(UsageRollup.day)).one()) == "2025-12-31"


def test_a_day_is_utcs_wherever_the_clock_stands(app):
    """The rollup of a call and its record must be of one day."""
    in_kathmandu = timezone(timedelta(hours=5, minutes=45))
    make_record(app, "u1", datetime(2026, 1, 1, 3, tzinfo=in_kathmandu))

    with app.app_context(), read_session() as session:
        assert str(session.scalars(select(UsageRollup.day)).one()) == "2025-12-31"
