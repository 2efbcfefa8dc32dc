"""`/api/costs/usage` and `/api/costs/daily` over HTTP."""

import pytest

from tests.factories.costs import make_price, make_record

PATHS = ["/api/costs/usage", "/api/costs/daily"]


@pytest.mark.parametrize("path", PATHS)
def test_usage_is_cached_until_the_next_call_is_booked(app, alice, path):
    """Miss, hit, 304; and fresh after a booking."""
    make_price(app)
    first = alice.get(path)
    second = alice.get(path)
    unchanged = alice.get(path, headers={"If-None-Match": first.headers["ETag"]})
    make_record(app, alice.user_id)
    after = alice.get(path)

    assert "fwd=miss" in first.headers["Cache-Status"]
    assert "hit" in second.headers["Cache-Status"]
    assert unchanged.status_code == 304
    assert (first.json["totals"]["calls"], after.json["totals"]["calls"]) == (0, 1)
    assert after.json["totals"]["cost_usd"] == "3"


@pytest.mark.parametrize("path", PATHS)
def test_a_member_sees_no_figure_of_another(app, alice, bob, admin, path):
    """Neither unasked nor by asking."""
    make_record(app, alice.user_id)

    assert bob.get(path).json["totals"]["calls"] == 0
    assert bob.get(f"{path}?user={alice.user_id}").status_code == 403
    assert alice.get(f"{path}?user={alice.user_id}").json["totals"]["calls"] == 1
    assert admin.get(path).json["totals"]["calls"] == 1
    assert admin.get(f"{path}?user={bob.user_id}").json["totals"]["calls"] == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("from=0001-01-01", "from"),
        ("from=2000-01-01", "from"),
        ("to=9999-12-31", "to"),
        ("from=2026-01-02&to=2026-01-02", "to"),
        ("from=tomorrow", "from"),
        ("model=%00", "model"),
    ],
)
def test_bad_questions_are_refused_by_name(alice, path, asked, field):
    """Never a 500, and never the whole history."""
    answer = alice.get(f"{path}?{asked}")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJ1c2FnZS9kYXkiLFsibm8tZGF5Il1d", "%ff"])
def test_a_foreign_cursor_is_refused(alice, cursor):
    """Made up, empty, or of the right list with something else inside."""
    answer = alice.get(f"/api/costs/usage?group_by=day&cursor={cursor}")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["cursor"]


@pytest.mark.parametrize("path", PATHS)
def test_a_key_without_the_scope_sees_nothing(client, path):
    """Figures are no public matter."""
    assert client.get(path).status_code == 401
