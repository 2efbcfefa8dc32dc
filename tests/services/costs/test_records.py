"""The ledger's records: pages without gaps, and CSV that is safe to open."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cache.scopes import EVERYONE, UserId
from schemas.costs_records import RecordFilters, RecordQuery
from services.costs import records
from services.costs.records import CSV_COLUMNS, export_records, load_records
from services.errors import Invalid
from services.permissions import ROLES
from services.principal import Principal
from tests.factories.costs import make_price, make_record

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _principal(user_id: str, role: str = "member") -> Principal:
    return Principal(
        user_id=UserId(user_id),
        key_id="k1",
        permissions=ROLES[role],
    )


def _table(principal: Principal, **asked: Any) -> list[list[str]]:
    pieces = export_records(principal, RecordFilters(**asked))
    return list(csv.reader(io.StringIO("".join(pieces), newline="")))


def test_pages_hold_every_record_once_while_new_ones_are_booked(app):
    """Records of the same instant, and those booked meanwhile, must not shift a page."""
    for place in range(5):
        make_record(app, "u1", NOW - timedelta(seconds=place // 2))
    asked = RecordQuery(limit=2)
    seen: list[str] = []
    with app.app_context():
        whole = [each["id"] for each in load_records(UserId("u1"), RecordQuery()).value["items"]]
        for _ in range(3):
            page = load_records(UserId("u1"), asked).value
            seen += [each["id"] for each in page["items"]]
            asked = replace(asked, cursor=page["next_cursor"])
            make_record(app, "u1", NOW + timedelta(seconds=1))

    assert len(whole) == 5
    assert seen == whole
    assert asked.cursor is None


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"model": "acme/other"}, 1),
        ({"key": "k9"}, 1),
        ({"status": "broken"}, 1),
        ({"user": "u2"}, 1),
        ({"from_on": NOW.date()}, 3),
        ({"to_on": NOW.date()}, 1),
        ({}, 4),
    ],
)
def test_filters_pick_records(app, asked, count):
    """One finds the call that one looks for."""
    make_record(app, "u1", model_id="acme/other")
    make_record(app, "u1", key_id="k9")
    make_record(app, "u2", status="broken")
    make_record(app, "u1", NOW - timedelta(hours=12, microseconds=1))
    with app.app_context():
        assert len(load_records(EVERYONE, RecordQuery(**asked)).value["items"]) == count


def test_the_cursor_of_another_list_is_refused(app):
    """A made-up position would give a page of anything."""
    with app.app_context(), pytest.raises(Invalid):
        load_records(EVERYONE, RecordQuery(cursor="WyJmb2xkZXJzIixbIngiXV0"))


def test_csv_holds_all_records_of_the_range_over_many_pieces(app, monkeypatch):
    """An export that ends with its first piece would look complete."""
    monkeypatch.setattr(records, "CHUNK_ROWS", 2)
    make_price(app)
    for _ in range(5):
        make_record(app, "u1")
    make_record(app, "u1", NOW - timedelta(days=60))
    make_record(app, "u2")
    with app.app_context():
        head, *rows = _table(_principal("u1"))

    assert tuple(head) == CSV_COLUMNS
    assert len({row[0] for row in rows}) == len(rows) == 5
    assert {row[head.index("cost_usd")] for row in rows} == {"3"}


def test_an_unpriced_cost_is_an_empty_cell(app):
    """A spreadsheet would add a zero up without a word."""
    make_record(app, "u1")
    with app.app_context():
        head, row = _table(_principal("u1"))

    assert row[head.index("cost_usd")] == ""
    assert row[head.index("is_streamed")] == "true"


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", 'a,"b"\nc', "|x"]
)
def test_a_cell_never_becomes_a_formula(app, name):
    """Names come from other people; whoever opens the file must not run them."""
    make_record(app, "u1", model_id=name)
    with app.app_context():
        head, row = _table(_principal("u1"))

    cell = row[head.index("model_id")]
    assert cell.removeprefix("'") == name
    assert not cell.startswith(("=", "+", "-", "@", "\t", "|"))


def test_an_export_over_too_long_a_range_is_refused_before_it_begins(app):
    """A fault in mid-stream would reach nobody."""
    asked = RecordFilters(from_on=NOW.date() - timedelta(days=500))
    with app.app_context(), pytest.raises(Invalid):
        export_records(_principal("u1"), asked)


def test_a_range_ends_before_its_last_day(app):
    """So that ranges that follow one another hold each record once."""
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    for called_at in (midnight - timedelta(microseconds=1), midnight):
        make_record(app, "u1", called_at)

    before, after = RecordQuery(to_on=NOW.date()), RecordQuery(from_on=NOW.date())
    with app.app_context():
        found = [load_records(UserId("u1"), each).value["items"] for each in (before, after)]

    assert [[each["called_at"][:10] for each in page] for page in found] == [
        ["2025-12-31"],
        ["2026-01-01"],
    ]
