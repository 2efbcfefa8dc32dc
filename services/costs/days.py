"""Days in UTC: the ranges that usage is asked for, and the periods that budgets run in.

A range is from its first day until, and without, the day after its last.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cache.extension import cache
from services.errors import Invalid

__all__ = ["MAX_DAYS", "DayRange", "check_order", "chosen_range", "period_of", "start_of", "today"]

DEFAULT_DAYS = 30
MAX_DAYS = 400
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `from_on` until, and without, `to_on`."""

    from_on: date
    to_on: date

    def days(self) -> list[date]:
        """Every day of it."""
        return [self.from_on + DAY * place for place in range((self.to_on - self.from_on).days)]


def today() -> date:
    """The present day in UTC."""
    return cache.today()


def start_of(day: date) -> datetime:
    """The first instant of a day."""
    return datetime.combine(day, time(), UTC)


def chosen_range(from_on: date | None, to_on: date | None) -> DayRange:
    """The range asked for; what is left out makes it the 30 days that end with today.

    Raises:
        Invalid: it is empty, or longer than 400 days.
    """
    until = to_on or max(today() + DAY, (from_on or date.min) + DAY)
    begin = from_on or until - DAY * DEFAULT_DAYS
    check_order(begin, until)
    if (until - begin).days > MAX_DAYS:
        raise Invalid.field("from", f"A range has {MAX_DAYS} days at most.", code="range_too_long")
    return DayRange(begin, until)


def check_order(from_on: date | None, to_on: date | None) -> None:
    """Refuse a range that holds no day.

    Raises:
        Invalid: its end is not behind its beginning.
    """
    if from_on is not None and to_on is not None and to_on <= from_on:
        raise Invalid.field("to", "Must be later than “from”: it is the day after the last.")


def period_of(period: str, day: date) -> DayRange:
    """The calendar day, ISO week or month that `day` lies in.

    Args:
        period: `day`, `week` or `month`.
        day: any day of it.
    """
    if period == "day":
        return DayRange(day, day + DAY)
    if period == "week":
        monday = day - DAY * day.weekday()
        return DayRange(monday, monday + DAY * 7)
    first = day.replace(day=1)
    return DayRange(first, (first + DAY * 31).replace(day=1))
