"""Budgets: refused before anything is spent, and only where a limit stands."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec import structs
from sqlalchemy import event, select

from cache.extension import cache
from cache.namespaces import USERS, WORKSPACES
from cache.scopes import EVERYONE, UserId, WorkspaceId
from database.session import db, read_session
from database.tables.users import ApiKey, Workspace
from schemas.costs_budgets import BudgetEdit, BudgetQuery, NewBudget
from services.costs.budgets import (
    check_budget,
    create_budget,
    delete_budget,
    edit_budget,
    list_budgets,
)
from services.errors import BudgetExceeded, Conflict, Invalid, NotFound
from services.permissions import ROLES
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.factories.costs import make_price, make_record


def _principal(user_id, *, role="owner", key_id="key-1", workspace_id=None):
    return Principal(
        user_id=UserId(user_id),
        key_id=key_id,
        workspace_id=workspace_id and WorkspaceId(workspace_id),
        permissions=ROLES[role],
    )


def _key_of(client):
    with read_session() as session:
        return session.scalars(select(ApiKey.id).where(ApiKey.user_id == client.user_id)).one()


def _make_workspace():
    with unit_of_work() as work:
        now = runtime().clock.now()
        row = Workspace(name="Team", created_at=now, updated_at=now)
        work.session.add(row)
        work.session.flush()  # the scope below is named by its id
        work.invalidates(WORKSPACES.of(WorkspaceId(row.id)), USERS.of(EVERYONE))
        return row.id


def _limit(client, period="month", *, hard=None, soft=None, kind="user", subject_id=None):
    return create_budget(
        _principal(client.user_id),
        NewBudget(
            subject_kind=kind,
            subject_id=subject_id or client.user_id,
            period=period,
            soft_limit_usd=None if soft is None else Decimal(soft),
            hard_limit_usd=None if hard is None else Decimal(hard),
        ),
    )


def test_a_reached_limit_refuses_the_next_call(app, alice):
    """What is booked counts at once: the call after it is the first to be refused."""
    make_price(app)
    caller = _principal(alice.user_id)
    with app.app_context():
        _limit(alice, hard="3")
        check_budget(caller)
    make_record(app, alice.user_id)
    with app.app_context(), pytest.raises(BudgetExceeded, match=r"\$3 of \$3"):
        check_budget(caller)


def test_racing_calls_overrun_a_limit_by_what_is_in_flight_and_no_more(app, alice):
    """Each call costs three dollars; four run at once."""
    make_price(app)
    caller = _principal(alice.user_id)
    with app.app_context():
        _limit(alice, hard="30")

    def spend_all() -> None:
        while True:
            try:
                with app.app_context():
                    check_budget(caller)
            except BudgetExceeded:
                return
            make_record(app, alice.user_id)

    workers = [threading.Thread(target=spend_all) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    with app.app_context():
        (shown,) = list_budgets(caller, BudgetQuery()).value["items"]
    assert Decimal(30) <= Decimal(shown["spent_usd"]) <= Decimal(30 + 3 * 3)


def test_where_no_limit_is_set_nothing_is_exceeded(app, alice, bob):
    """An absent limit is not a limit of zero, and another's budget is not mine."""
    make_price(app)
    make_record(app, bob.user_id)
    with app.app_context():
        _limit(alice, hard="0")
        _limit(bob, soft="0")

        check_budget(_principal(bob.user_id))


def test_a_limit_of_zero_refuses_the_first_call(app, alice):
    """A key that may spend nothing spends nothing."""
    with app.app_context():
        _limit(alice, hard="0")
        with pytest.raises(BudgetExceeded):
            check_budget(_principal(alice.user_id))


@pytest.mark.parametrize(("period", "days"), [("day", 1), ("week", 4), ("month", 31)])
def test_a_new_period_begins_at_zero(app, alice, clock, period, days):
    """The first of January 2026 was a Thursday: its week ends on Sunday."""
    make_price(app)
    make_record(app, alice.user_id)
    caller = _principal(alice.user_id)
    with app.app_context():
        _limit(alice, period, hard="3")
    clock.advance(timedelta(days=days, hours=-12).total_seconds() - 1)
    with app.app_context(), pytest.raises(BudgetExceeded):
        check_budget(caller)
    clock.advance(1)
    with app.app_context():
        check_budget(caller)


def test_a_keys_budget_binds_that_key_alone(app, alice):
    """Another key of the same user goes on."""
    make_price(app)
    with app.app_context():
        key_id = _key_of(alice)
        _limit(alice, hard="1", kind="key", subject_id=key_id)
    make_record(app, alice.user_id, key_id=key_id)
    with app.app_context():
        check_budget(_principal(alice.user_id, key_id="another"))
        with pytest.raises(BudgetExceeded):
            check_budget(_principal(alice.user_id, key_id=key_id))


def test_a_workspaces_budget_binds_all_its_members(app, alice, bob):
    """What Alice spent there is gone for Bob too."""
    make_price(app)
    with app.app_context():
        workspace_id = _make_workspace()
        _limit(alice, hard="3", kind="workspace", subject_id=workspace_id)
    make_record(app, alice.user_id, workspace_id=workspace_id)
    with app.app_context():
        check_budget(_principal(bob.user_id))
        with pytest.raises(BudgetExceeded):
            check_budget(_principal(bob.user_id, workspace_id=workspace_id))


def test_a_soft_limit_is_shown_and_refuses_nothing(app, alice):
    """It is there to warn."""
    make_price(app)
    with app.app_context():
        _limit(alice, soft="2", hard="9")
    make_record(app, alice.user_id)
    caller = _principal(alice.user_id)
    with app.app_context():
        check_budget(caller)
        (shown,) = list_budgets(caller, BudgetQuery()).value["items"]

    assert (shown["soft_exceeded"], shown["hard_exceeded"], shown["spent_usd"]) == (
        True,
        False,
        "3",
    )


def test_a_changed_or_deleted_limit_counts_from_the_next_call_on(app, alice):
    """An operator who lifts a limit is not to wait for a cache."""
    caller = _principal(alice.user_id)
    with app.app_context():
        made = _limit(alice, hard="0")
        other = _limit(alice, "day", hard="0")
        with pytest.raises(BudgetExceeded):
            check_budget(caller)

        edit_budget(caller, made["id"], BudgetEdit({"hard_limit_usd": Decimal(1)}))
        delete_budget(caller, other["id"])

        check_budget(caller)


def test_a_caller_without_a_budget_waits_for_no_query(app, alice):
    """Warm, the check reads generations and nothing else, however much is booked meanwhile."""
    make_price(app)
    cache.engine_of(app).auditor.share = 0.0
    caller = _principal(alice.user_id)
    with app.app_context():
        check_budget(caller)
    make_record(app, alice.user_id)
    statements: list[str] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        check_budget(caller)

    assert [each for each in statements if "cache_generations" not in each] == []


def test_the_same_subject_and_period_have_one_budget(app, alice):
    """Two limits for one thing would leave open which counts."""
    with app.app_context():
        standing = _limit(alice, hard="1")
        with pytest.raises(Conflict, match=standing["id"]) as refused:
            _limit(alice, hard="2")
        _limit(alice, period="day", hard="2")

    assert refused.value.code == "budget_exists"


def test_limits_that_contradict_each_other_are_refused(app, alice):
    """A soft limit above the hard one would never warn; none at all would limit nothing."""
    with app.app_context():
        made = _limit(alice, hard="2")
        caller = _principal(alice.user_id)
        for name, limit in (("soft_limit_usd", Decimal(3)), ("hard_limit_usd", None)):
            with pytest.raises(Invalid):
                edit_budget(caller, made["id"], BudgetEdit({name: limit}))


def test_a_soft_limit_may_be_as_high_as_the_hard_one(app, alice):
    """Then the warning comes with the refusal."""
    with app.app_context():
        made = _limit(alice, hard="2", soft="2")

    assert (made["soft_limit_usd"], made["hard_limit_usd"]) == ("2", "2")


@pytest.mark.parametrize("kind", ["user", "workspace", "key"])
def test_a_budget_needs_a_subject_that_is_there(app, alice, kind):
    """One for a mistyped id would limit nobody, in silence."""
    with app.app_context(), pytest.raises(Invalid) as refused:
        _limit(alice, hard="1", kind=kind, subject_id="no-such-thing")

    assert list(refused.value.errors) == ["subject_id"]


def test_a_member_lists_their_own_budgets_only(app, alice, bob):
    """What others may spend is nobody's business but an admin's."""
    with app.app_context():
        _limit(alice, hard="1")
        _limit(bob, hard="1")
        own = list_budgets(_principal(bob.user_id, role="member"), BudgetQuery()).value
        every = list_budgets(_principal(bob.user_id), BudgetQuery(limit=1)).value
        rest = list_budgets(_principal(bob.user_id), BudgetQuery(cursor=every["next_cursor"])).value

    assert [each["subject_id"] for each in own["items"]] == [bob.user_id]
    assert [each["subject_id"] for each in every["items"] + rest["items"]] == [
        alice.user_id,
        bob.user_id,
    ]


def test_who_sees_their_own_figures_only_changes_no_budget_of_another(app, alice, bob):
    """A key may have the one permission without the other; what it does not see is not there."""
    limited = structs.replace(_principal(bob.user_id), permissions={"costs:read", "costs:write"})
    with app.app_context():
        budget_id = _limit(alice, hard="1")["id"]
        for change in (
            lambda: edit_budget(limited, budget_id, BudgetEdit({"hard_limit_usd": None})),
            lambda: delete_budget(limited, budget_id),
        ):
            with pytest.raises(NotFound):
                change()


def test_a_budget_that_is_not_there_cannot_be_changed(app, alice):
    """It is gone, or it never was."""
    with app.app_context():
        for change in (
            lambda: edit_budget(_principal("u"), "x", BudgetEdit({})),
            lambda: delete_budget(_principal("u"), "x"),
        ):
            with pytest.raises(NotFound):
                change()
