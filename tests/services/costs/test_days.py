"""Days: ranges and the periods of budgets, all in UTC."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.costs.days import DayRange, check_order, chosen_range, period_of, start_of, today
from services.errors import Invalid

days = st.dates(min_value=date(2000, 1, 1), max_value=date(2199, 12, 31))


@pytest.mark.parametrize(
    ("period", "day", "first", "behind_last"),
    [
        ("day", date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 1)),
        ("week", date(2026, 1, 1), date(2025, 12, 29), date(2026, 1, 5)),
        ("week", date(2026, 1, 4), date(2025, 12, 29), date(2026, 1, 5)),
        ("month", date(2024, 2, 29), date(2024, 2, 1), date(2024, 3, 1)),
        ("month", date(2025, 12, 31), date(2025, 12, 1), date(2026, 1, 1)),
    ],
)
def test_a_period_is_the_calendars(period, day, first, behind_last):
    """A week begins on Monday, as ISO 8601 has it, also over the turn of a year."""
    assert period_of(period, day) == DayRange(first, behind_last)


@given(st.sampled_from(["day", "week", "month"]), days)
def test_periods_leave_no_gap_and_do_not_overlap(period, day):
    """A gap would be a day on which anything may be spent."""
    range_ = period_of(period, day)

    assert range_.from_on <= day < range_.to_on
    assert period_of(period, range_.from_on) == range_
    assert period_of(period, range_.to_on).from_on == range_.to_on


def test_a_range_is_thirty_days_with_today_if_nothing_is_said(app):
    """What one looks at most."""
    with app.app_context():
        assert today() == date(2026, 1, 1)
        assert chosen_range(None, None) == DayRange(date(2025, 12, 3), date(2026, 1, 2))
        assert chosen_range(date(2026, 5, 1), None) == DayRange(date(2026, 5, 1), date(2026, 5, 2))


@pytest.mark.parametrize(
    ("from_on", "to_on", "field"),
    [
        (date(2026, 1, 2), date(2026, 1, 2), "to"),
        (date(2026, 1, 2), date(2026, 1, 1), "to"),
        (date(2000, 1, 1), None, "from"),
        (date(2024, 1, 1), date(2026, 1, 1), "from"),
    ],
)
def test_a_range_that_is_none_or_too_long_is_refused(app, from_on, to_on, field):
    """A range without a bound would add up the whole history at every call."""
    with app.app_context(), pytest.raises(Invalid) as refused:
        chosen_range(from_on, to_on)

    assert list(refused.value.errors) == [field]


def test_open_ends_are_in_order():
    """Only two ends can contradict each other."""
    check_order(None, date(2026, 1, 1))
    check_order(date(2026, 1, 1), None)


def test_a_day_begins_at_midnight_in_utc():
    """Not in the zone of the machine."""
    assert start_of(date(2026, 7, 1)) == datetime(2026, 7, 1, tzinfo=UTC)
    assert DayRange(date(2026, 2, 27), date(2026, 3, 2)).days()[1:] == [
        date(2026, 2, 28),
        date(2026, 3, 1),
    ]
