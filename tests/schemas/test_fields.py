"""The fields that every schema shares."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from marshmallow import ValidationError, fields

from schemas.fields import Day, Items, Money, Text, UtcTime, WholeNumber, money_text
from telemetry.clock import SYSTEM_CLOCK


@pytest.mark.parametrize("text", ["0", "0.25", "1000000", "0.000000000001", "007.10"])
def test_money_is_read_exactly(text):
    """To the picodollar, and never by way of a float."""
    assert Money().deserialize(text) == Decimal(text)


@pytest.mark.parametrize(
    "value", [0.25, 1, True, None, "", ".", "-1", "+1", "1e3", "1_0", " 1", "NaN", "٣", "1" * 31]
)
def test_what_is_no_plain_amount_is_refused(value):
    """Python's Decimal would take most of these."""
    with pytest.raises(ValidationError):
        Money().deserialize(value)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0E-12", "0"), ("1.500000000000", "1.5"), ("1E+2", "100"), ("0.000000000001",) * 2],
)
def test_money_is_written_in_plain_digits(amount, text):
    """No exponent, no needless zeros."""
    assert money_text(Decimal(amount)) == text


def test_a_time_is_turned_into_utc_and_written_with_z():
    """One instant has one form."""
    instant = UtcTime().deserialize("2026-01-01T01:30:00+02:00")

    assert instant == datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    assert UtcTime().serialize("at", {"at": instant}) == "2025-12-31T23:30:00Z"


@pytest.mark.parametrize(
    "value", ["2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59", 0, "T", "x" * 99]
)
def test_a_time_without_zone_or_sense_is_refused(value):
    """Guessing a zone is how an hour is lost."""
    with pytest.raises(ValidationError):
        UtcTime().deserialize(value)


def test_a_day_is_read_and_written_as_iso_has_it():
    """No other form, so that no other form comes into use."""
    assert Day().deserialize("2026-02-28") == date(2026, 2, 28)
    assert Day().serialize("on", {"on": date(2026, 2, 28)}) == "2026-02-28"


@pytest.mark.parametrize("value", ["a\x00b", "\ud83d", "x" * 6])
def test_text_that_no_database_stores_is_refused(value):
    """NUL, half a character, too long."""
    with pytest.raises(ValidationError):
        Text(max_chars=5).deserialize(value)


@pytest.mark.parametrize("value", [True, 1.5, "1.0", "²", "9" * 5000, 0, 11, None])
def test_a_number_out_of_bounds_is_refused(value):
    """Whatever Python would make of it."""
    with pytest.raises(ValidationError):
        WholeNumber(low=1, high=10).deserialize(value)


class _Counted(fields.Integer):
    """Counts how often it was asked for."""

    asked = 0

    def _deserialize(self, value, attr, data, **kwargs):
        _Counted.asked += 1
        return super()._deserialize(value, attr, data, **kwargs)


@pytest.mark.parametrize(
    ("given", "asked", "faults"),
    [
        ([1, 2, 3], 3, None),
        ([], 0, ["Length must be between 1 and 50."]),
        ([{}] * 51, 0, ["Length must be between 1 and 50."]),
        ("123", 0, ["Not a valid list."]),
        ([1, {}, 3], 3, {1: ["Not a valid integer."]}),
        ([{}] * 50, 20, {place: ["Not a valid integer."] for place in range(20)}),
    ],
)
def test_of_a_list_no_more_is_read_than_its_answer_needs(given, asked, faults):
    """Each item takes its time: a long list of nothing would hold its worker up."""
    _Counted.asked, found = 0, None

    try:
        assert Items(_Counted(), min_items=1, max_items=50).deserialize(given) == given
    except ValidationError as fault:
        found = fault.messages

    assert (found, _Counted.asked) == (faults, asked)


def test_a_long_list_lets_others_come_between(monkeypatch):
    """Its worker has streams to write."""
    pauses: list[float] = []
    monkeypatch.setattr(SYSTEM_CLOCK, "sleep", pauses.append)

    Items(_Counted(), max_items=1000).deserialize(list(range(1000)))

    assert pauses == [0] * 10
