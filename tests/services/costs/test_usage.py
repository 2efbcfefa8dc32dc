"""Usage: sums that are fresh, and nobody else's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cache.results import Outcome
from cache.scopes import EVERYONE, UserId
from database.session import read_session
from database.tables.costs import LedgerRecord
from providers.protocol import Usage
from schemas.costs_usage import GROUPS, DailyQuery, UsageQuery
from services.costs.reconcile import compare_day, list_days
from services.costs.usage import load_daily, load_usage
from services.errors import Invalid
from tests.factories.costs import make_price, make_record

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
U1, U2 = UserId("u1"), UserId("u2")


def _usage(owner, **asked):
    return load_usage(owner, UsageQuery(**asked)).value


def test_a_booked_call_is_in_the_next_answer(app):
    """A figure that lags behind the ledger would be wrong, however briefly."""
    make_price(app)
    with app.app_context():
        before = _usage(U1)["totals"]["calls"]
    make_record(app, "u1")
    with app.app_context():
        assert (before, _usage(U1)["totals"]["calls"]) == (0, 1)
        assert _usage(EVERYONE)["totals"]["cost_usd"] == "3"


def test_anothers_booking_leaves_my_entry_alone(app):
    """Own figures stay cached while everybody else goes on chatting."""
    with app.app_context():
        load_usage(U1, UsageQuery())
    make_record(app, "u2")
    with app.app_context():
        assert load_usage(U1, UsageQuery()).outcome is Outcome.HIT
        assert _usage(U1)["items"] == []


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("model", ["acme/brain-1", "acme/brain-2"]),
        ("provider", ["acme"]),
        ("user", ["u1", "u2"]),
        ("workspace", [None, "w1"]),
        ("key", ["key-1", "key-2"]),
        ("day", ["2025-12-31", "2026-01-01"]),
    ],
)
def test_usage_adds_up_by_every_group(app, group_by, groups):
    """The same calls, cut in six ways, always come to the same totals."""
    make_price(app)
    make_record(app, "u1")
    make_record(app, "u1", NOW - timedelta(days=1), key_id="key-2", workspace_id="w1")
    make_record(app, "u2", model_id="acme/brain-2")
    with app.app_context():
        found = _usage(EVERYONE, group_by=group_by)

    assert [item["group"] for item in found["items"]] == groups
    assert sum(item["calls"] for item in found["items"]) == found["totals"]["calls"] == 3
    assert sum(Decimal(item["cost_usd"]) for item in found["items"]) == 6
    assert found["totals"]["unpriced_calls"] == 1


@pytest.mark.parametrize("group_by", GROUPS)
def test_pages_hold_every_group_once(app, group_by):
    """A cursor that skips or repeats a group makes the bill wrong."""
    for place in range(5):
        name = f"{place}"
        make_record(
            app,
            f"u{name}",
            NOW - timedelta(days=place),
            key_id=f"k{name}",
            workspace_id=f"w{name}",
            provider_id=f"p{name}",
            model_id=f"p{name}/m",
        )
    with app.app_context():
        whole = [each["group"] for each in _usage(EVERYONE, group_by=group_by)["items"]]
        asked = UsageQuery(group_by=group_by, limit=2)
        paged = []
        for _ in range(3):
            page = load_usage(EVERYONE, asked).value
            paged += [each["group"] for each in page["items"]]
            asked = replace(asked, cursor=page["next_cursor"])

    assert len(whole) == 5
    assert paged == whole
    assert asked.cursor is None


def test_the_cursor_of_another_grouping_is_refused(app):
    """It would be compared with names of another kind."""
    for user in ("a", "b"):
        make_record(app, user)
    with app.app_context():
        cursor = _usage(EVERYONE, group_by="user", limit=1)["next_cursor"]
        with pytest.raises(Invalid):
            _usage(EVERYONE, group_by="day", cursor=cursor)


def test_every_day_of_the_range_has_its_figures(app):
    """A chart needs the quiet days too."""
    make_price(app)
    make_record(app, "u1", NOW - timedelta(days=2))
    asked = DailyQuery(from_on=(NOW - timedelta(days=3)).date(), to_on=NOW.date())
    with app.app_context():
        found = load_daily(U1, asked).value

    assert [(item["day"], item["cost_usd"]) for item in found["items"]] == [
        ("2025-12-29", "0"),
        ("2025-12-30", "3"),
        ("2025-12-31", "0"),
    ]


def test_filters_cut_the_totals_too(app):
    """A total of other things than the items would mislead."""
    make_record(app, "u1")
    make_record(app, "u1", model_id="acme/other", workspace_id="w1", key_id="k9")
    with app.app_context():
        for asked in ({"model": "acme/other"}, {"workspace": "w1"}, {"key": "k9"}):
            assert _usage(EVERYONE, **asked)["totals"]["calls"] == 1


counts = st.integers(min_value=0, max_value=10**7)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "usage": st.builds(Usage, counts, counts, counts, counts, counts),
            "model_id": st.sampled_from(["acme/brain-1", "acme/unknown"]),
            "key_id": st.sampled_from(["k1", "k2"]),
            "workspace_id": st.sampled_from([None, "w1"]),
            "status": st.sampled_from(["ok", "error", "cancelled", "broken"]),
            "is_estimated": st.booleans(),
            "called_at": st.integers(0, 7 * 86_400).map(lambda s: NOW - timedelta(seconds=s)),
        }
    ),
    max_size=12,
)


@pytest.fixture
def priced_app(app):
    """The application with one priced model; shared by the examples of one property."""
    make_price(app, input="0.123457", output="9.87", cached_input="0.000001")
    return app


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(booked=calls)
def test_the_rollup_is_the_ledger_added_up(priced_app, booked):
    """The one promise that all figures stand on."""
    for call in booked:
        make_record(priced_app, "u1", **call)

    with priced_app.app_context(), read_session() as session:
        in_ledger = session.scalar(select(func.sum(LedgerRecord.cost_usd))) or Decimal(0)
        total = Decimal(_usage(EVERYONE)["totals"]["cost_usd"])
        differences = [each for day in list_days() for each in compare_day(day)]
    assert total == in_ledger
    assert differences == []
