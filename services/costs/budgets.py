"""Budgets: what a workspace, a user or a key may spend in each day, week or month (UTC).

A call is refused while a hard limit is reached, before anything is spent. What counts is the booked
spending, which is never older than the last booked call: racing calls can overrun a limit by what
is in flight, and by no more. Unpriced calls count nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cache.namespaces import ANALYTICS, PERMISSIONS
from cache.results import CachedResult
from cache.scopes import EVERYONE, KeyHash, UserId, WorkspaceId
from database.session import read_session
from database.tables.costs import Budget
from database.tables.users import ApiKey, User, Workspace
from schemas.costs_budgets import BudgetEdit, BudgetQuery, BudgetSchema, NewBudget
from schemas.fields import money_text
from services import audit_logs
from services.costs.audience import Audience, audience_of, visible
from services.costs.days import DayRange, period_of, today
from services.costs.spending import load_spending, spent_by
from services.errors import BudgetExceeded, Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "check_budget",
    "create_budget",
    "delete_budget",
    "edit_budget",
    "list_budgets",
    "load_limits",
]

log = structlog.get_logger(__name__)

LISTING = "budgets"
LIMITS = ("soft_limit_usd", "hard_limit_usd")
_ONE = BudgetSchema()


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as the check needs it."""

    budget_id: str
    subject_kind: str
    subject_id: str
    period: str
    soft_limit_usd: Decimal | None
    hard_limit_usd: Decimal | None


class Limits(msgspec.Struct, frozen=True):
    """All budgets of one owner: a workspace's, or a user's with those of their keys."""

    limits: tuple[Limit, ...]


def check_budget(principal: Principal) -> None:
    """Refuse a call while a hard limit of its user, key or workspace is reached.

    Reads through the cache only. The limits stand in a scope that bookings leave alone, so that
    callers without a budget never wait for a query; the spending is summed anew after a booking.

    Raises:
        BudgetExceeded: a hard limit is reached; nothing was spent.
    """
    owners: list[UserId | WorkspaceId] = [principal.user_id]
    if principal.workspace_id is not None:
        owners.append(principal.workspace_id)
    for owner in owners:
        for limit in load_limits(owner).value.limits:
            if limit.subject_kind != "key" or limit.subject_id == principal.key_id:
                _check(owner, limit)


@PERMISSIONS.read("budgets")
def load_limits(owner: KeyHash | UserId | WorkspaceId) -> Limits:
    """The budgets of `owner`, a user or a workspace; a key's are its user's."""
    with read_session() as session:
        rows = session.scalars(select(Budget).where(Budget.owner_id == owner)).all()
    return Limits(
        tuple(
            Limit(
                budget_id=row.id,
                subject_kind=row.subject_kind,
                subject_id=row.subject_id,
                period=row.period,
                soft_limit_usd=row.soft_limit_usd,
                hard_limit_usd=row.hard_limit_usd,
            )
            for row in rows
        )
    )


def list_budgets(principal: Principal, query: BudgetQuery) -> CachedResult[dict[str, Any]]:
    """One page of budgets: all of them, or the caller's own and those of their keys."""
    return load_budgets(audience_of(principal), query, today().isoformat())


@ANALYTICS.read("budgets")
def load_budgets(audience: Audience, query: BudgetQuery, day: str) -> dict[str, Any]:
    """One page of budgets with what was spent by `day`, which makes each day's answer its own."""
    del day
    statement = select(Budget).where(visible(audience, Budget.owner_id))
    if query.cursor is not None:
        (after,) = decode_cursor(LISTING, query.cursor, (str,))
        statement = statement.where(Budget.id > after)
    with read_session() as session:
        rows = session.scalars(statement.order_by(Budget.id).limit(query.limit + 1)).all()
        spent = _spent(session, rows)
    return page_of(
        rows,
        query.limit,
        lambda row: _dump(row, spent[row.id]),
        lambda row: encode_cursor(LISTING, [row.id]),
    )


def create_budget(principal: Principal, new: NewBudget) -> dict[str, Any]:
    """Make a budget.

    Raises:
        Invalid: there is no such subject, or the limits contradict each other.
        Conflict: the subject has a budget for this period already.
    """
    now = runtime().clock.now()
    with unit_of_work() as work:
        _check_first(work.session, new)
        row = Budget(
            subject_kind=new.subject_kind,
            subject_id=new.subject_id,
            owner_id=_owner_of(work.session, new.subject_kind, new.subject_id),
            period=new.period,
            soft_limit_usd=new.soft_limit_usd,
            hard_limit_usd=new.hard_limit_usd,
            created_by=principal.user_id,
            created_at=now,
            updated_at=now,
        )
        _check_limits(row)
        work.session.add(row)
        return _written(work, principal, row, "budget.created")


def edit_budget(
    principal: Principal, budget_id: str, edit: BudgetEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change the limits of a budget.

    Raises:
        NotFound: there is no such budget, or not for the caller.
        Invalid: the limits contradict each other, or none is left.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = _visible_row(work.session, principal, budget_id)
        check_precondition(if_match, _dump(row, _spent(work.session, [row])[row.id]))
        for name, limit in edit.changes.items():
            setattr(row, name, limit)
        _check_limits(row)
        row.updated_at = runtime().clock.now()
        return _written(work, principal, row, "budget.edited")


def delete_budget(principal: Principal, budget_id: str, *, if_match: str | None = None) -> None:
    """Delete a budget: it limits nothing from the next call on.

    Raises:
        NotFound: there is no such budget, or not for the caller.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = _visible_row(work.session, principal, budget_id)
        check_precondition(if_match, _dump(row, _spent(work.session, [row])[row.id]))
        _written(work, principal, row, "budget.deleted")
        work.session.delete(row)


def _check(owner: UserId | WorkspaceId, limit: Limit) -> None:
    days = period_of(limit.period, today())
    spent = load_spending(owner, limit.subject_kind, limit.subject_id, days).value.spent_usd
    if limit.hard_limit_usd is not None and spent >= limit.hard_limit_usd:
        raise BudgetExceeded(
            f"This {limit.period}'s budget of the {limit.subject_kind} is spent: "
            f"${money_text(spent)} of ${money_text(limit.hard_limit_usd)}. "
            f"It begins anew on {days.to_on.isoformat()}, UTC."
        )
    if limit.soft_limit_usd is not None and spent >= limit.soft_limit_usd:
        log.info("soft_limit_reached", budget_id=limit.budget_id, spent_usd=money_text(spent))


def _check_first(session: Session, new: NewBudget) -> None:
    """Refuse a second budget of a subject for the same period: which of the two would count?"""
    standing = session.scalar(
        select(Budget.id).where(
            Budget.subject_kind == new.subject_kind,
            Budget.subject_id == new.subject_id,
            Budget.period == new.period,
        )
    )
    if standing is not None:
        sentence = f"The {new.subject_kind} has one for each {new.period}, {standing}: change that."
        raise Conflict(sentence, code="budget_exists")


def _check_limits(row: Budget) -> None:
    soft, hard = row.soft_limit_usd, row.hard_limit_usd
    if soft is None and hard is None:
        raise Invalid.field("hard_limit_usd", "Give a soft or a hard limit.")
    if soft is not None and hard is not None and soft > hard:
        raise Invalid.field("soft_limit_usd", "Must not be larger than the hard limit.")


def _owner_of(session: Session, kind: str, subject_id: str) -> str:
    """Whose bookings count for a subject, and whose checks read its budget."""
    table = {"user": User, "workspace": Workspace, "key": ApiKey}[kind]
    subject = session.get(table, subject_id)
    if subject is None:
        raise Invalid.field("subject_id", f"There is no {kind} “{subject_id[:80]}”.")
    return subject.user_id if isinstance(subject, ApiKey) else subject_id


def _visible_row(session: Session, principal: Principal, budget_id: str) -> Budget:
    row = session.scalar(
        select(Budget)
        .where(Budget.id == budget_id, visible(audience_of(principal), Budget.owner_id))
        .with_for_update()
    )
    if row is None:
        raise NotFound.of("budget", budget_id)
    return row


def _written(work: UnitOfWork, principal: Principal, row: Budget, action: str) -> dict[str, Any]:
    """Name what a written budget changes, note who did it; the budget as it is read."""
    work.session.flush()  # a new row's id is made by the flush
    is_workspace = row.subject_kind == "workspace"
    owner = WorkspaceId(row.owner_id) if is_workspace else UserId(row.owner_id)
    work.invalidates(ANALYTICS.of(EVERYONE), ANALYTICS.of(owner), PERMISSIONS.of(owner))
    dumped = _dump(row, _spent(work.session, [row])[row.id])
    named = ("subject_kind", "subject_id", "period", *LIMITS)
    detail = {name: dumped[name] for name in named}
    audit_logs.record(work, principal, action, "budget", row.id, detail)
    return dumped


def _spent(session: Session, rows: Sequence[Budget]) -> dict[str, Decimal]:
    """What each budget's subject has spent in its present period, in a query a kind and period."""
    together: dict[tuple[str, str], list[Budget]] = {}
    for row in rows:
        together.setdefault((row.subject_kind, row.period), []).append(row)
    spent: dict[str, Decimal] = {}
    for (kind, period), same in together.items():
        subject_ids = [row.subject_id for row in same]
        sums = spent_by(session, kind, subject_ids, period_of(period, today()))
        spent |= {row.id: sums[row.subject_id] for row in same}
    return spent


def _dump(row: Budget, spent: Decimal) -> dict[str, Any]:
    days: DayRange = period_of(row.period, today())
    shown = {name: getattr(row, name) for name in _ONE.fields if hasattr(row, name)}
    dumped: dict[str, Any] = _ONE.dump(
        {
            **shown,
            "spent_usd": spent,
            "soft_exceeded": row.soft_limit_usd is not None and spent >= row.soft_limit_usd,
            "hard_exceeded": row.hard_limit_usd is not None and spent >= row.hard_limit_usd,
            "period_from": days.from_on,
            "period_to": days.to_on,
        }
    )
    return dumped
