"""Spending of the subjects that budgets limit."""

from datetime import UTC, date, datetime
from decimal import Decimal

from cache.scopes import UserId, WorkspaceId
from database.session import read_session
from services.costs.days import DayRange
from services.costs.spending import load_spending, spent_by
from tests.factories.costs import make_price, make_record

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JANUARY = DayRange(date(2026, 1, 1), date(2026, 2, 1))


def test_spending_is_summed_by_subject_and_only_within_the_days(app):
    """The last instant of December is no part of January's budget, nor the first of February."""
    make_price(app)
    make_record(app, "u1", NOW, key_id="k1", workspace_id="w1")
    make_record(app, "u1", NOW, key_id="k2")
    make_record(app, "u2", NOW, key_id="k3", workspace_id="w1")
    make_record(app, "u1", datetime(2025, 12, 31, 23, 59, 59, 999999, UTC), key_id="k1")
    make_record(app, "u1", datetime(2026, 2, 1, tzinfo=UTC), key_id="k1")
    with app.app_context(), read_session() as session:
        users = spent_by(session, "user", ["u1", "u2", "u3"], JANUARY)
        keys = spent_by(session, "key", ["k1"], JANUARY)
        workspaces = spent_by(session, "workspace", ["w1"], JANUARY)

    assert users == {"u1": Decimal(6), "u2": Decimal(3), "u3": Decimal(0)}
    assert keys == {"k1": Decimal(3)}
    assert workspaces == {"w1": Decimal(6)}


def test_a_booking_is_seen_by_the_next_check(app):
    """What was just spent must count, for the user as for the workspace."""
    make_price(app)
    seen = []
    for _ in range(2):
        with app.app_context():
            seen.append(load_spending(UserId("u1"), "user", "u1", JANUARY).value.spent_usd)
            workspace = load_spending(WorkspaceId("w1"), "workspace", "w1", JANUARY)
            seen.append(workspace.value.spent_usd)
        make_record(app, "u1", NOW, workspace_id="w1")

    assert seen == [0, 0, 3, 3]
