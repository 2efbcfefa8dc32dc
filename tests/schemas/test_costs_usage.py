"""What may be asked of usage."""

from datetime import date

import pytest
from marshmallow import ValidationError

from schemas.costs_usage import DailyQuerySchema, UsageQuerySchema


def test_days_are_read_as_days():
    """`from` is no name in Python; it must arrive all the same."""
    loaded = UsageQuerySchema().load({"from": "2026-02-28", "to": "2026-03-01"})

    assert (loaded.from_on, loaded.to_on) == (date(2026, 2, 28), date(2026, 3, 1))


@pytest.mark.parametrize(
    "day",
    [
        "",
        "2026-2-1",
        "2026-02-30",
        "20260201",
        "2026-W05-1",
        "1999-12-31",
        "2200-01-01",
        "0001-01-01",
        "2026-02-01T00:00:00Z",
        "²026-01-01",
        "9" * 5000,
    ],
)
def test_what_is_no_day_is_refused_by_name(day):
    """Dates at the end of what Python knows would overflow further in."""
    with pytest.raises(ValidationError) as refused:
        DailyQuerySchema().load({"from": day})

    assert list(refused.value.normalized_messages()) == ["from"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"group_by": "secret_hash"}, "group_by"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"cursor": "x" * 2001}, "cursor"),
        ({"model": "x" * 301}, "model"),
        ({"user": "a\x00b"}, "user"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_everything_asked_is_bounded(asked, field):
    """Whatever comes in is part of a cache key or of a query."""
    with pytest.raises(ValidationError) as refused:
        UsageQuerySchema().load(asked)

    assert list(refused.value.normalized_messages()) == [field]
