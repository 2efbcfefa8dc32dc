"""`/api/costs/records` and `/api/costs/export.csv` over HTTP."""

import csv
import io

import pytest

from tests.factories.costs import make_price, make_record


def test_records_are_paged_and_fresh(app, alice):
    """The call that was just booked stands first."""
    make_price(app)
    assert alice.get("/api/costs/records").json["items"] == []
    make_record(app, alice.user_id, call_id="c1")
    make_record(app, alice.user_id, call_id="c2")
    page = alice.get("/api/costs/records?limit=1").json
    rest = alice.get(f"/api/costs/records?limit=1&cursor={page['next_cursor']}").json

    assert [each["call_id"] for each in page["items"] + rest["items"]] == ["c2", "c1"]
    assert page["items"][0]["cost_usd"] == "3"
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("path", ["/api/costs/records", "/api/costs/export.csv"])
def test_a_member_sees_no_record_of_another(app, alice, bob, admin, path):
    """Whom somebody talks to, and how much, is theirs."""
    make_record(app, alice.user_id, call_id="alices-call")

    assert "alices-call" not in bob.get(path).text
    assert bob.get(f"{path}?user={alice.user_id}").status_code == 403
    assert "alices-call" in alice.get(path).text
    assert "alices-call" in admin.get(path).text


def test_the_export_is_csv_to_be_saved(app, alice):
    """Named, typed, never stored on the way, and readable by any spreadsheet."""
    make_record(app, alice.user_id, model_id="=1+1")
    answer = alice.get("/api/costs/export.csv")
    head, row = csv.reader(io.StringIO(answer.text, newline=""))

    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert row[head.index("model_id")] == "'=1+1"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("status=paid", "status"),
        ("from=2026-01-02&to=2026-01-01", "to"),
        ("limit=0", "limit"),
        ("cursor=WyJyZWNvcmRzIixbMSwyXV0", "cursor"),
        ("cursor=WyJyZWNvcmRzIixbIjIwMjYtMDEtMDFUMDA6MDA6MDAiLCJ4Il1d", "cursor"),
    ],
)
def test_bad_questions_are_refused_by_name(alice, asked, field):
    """Never a 500."""
    answer = alice.get(f"/api/costs/records?{asked}")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_an_export_of_too_long_a_range_is_an_error_and_no_file(alice):
    """The status must be right before the first line goes out."""
    answer = alice.get("/api/costs/export.csv?from=2000-01-01")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["from"]
