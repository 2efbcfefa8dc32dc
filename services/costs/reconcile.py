"""Proof that the rollup is the ledger added up; and its repair from the ledger, which is the truth.

Each day is compared within one statement, so that calls booked meanwhile make no difference.
"""

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    union_all,
)

from cache.namespaces import namespace_scope
from database.bookkeeping import hold_table
from database.session import read_session
from database.tables.costs import LedgerRecord, UsageRollup
from services.costs.days import start_of
from services.unit_of_work import unit_of_work

__all__ = ["Difference", "compare_day", "list_days", "rebuild_day"]

DAY = timedelta(days=1)
KEYS = ("user_id", "key_id", "workspace_id", "provider_id", "model_id")
TOKENS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
FIGURES = (
    "calls",
    "failed_calls",
    "unpriced_calls",
    "estimated_calls",
    *TOKENS,
    "cost_usd",
    "cache_hits",
    "saved_usd",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one rollup row that is not what the ledger adds up to."""

    day: date
    place: dict[str, str]
    figure: str
    ledger: Decimal
    rollup: Decimal


def list_days() -> list[date]:
    """Every day from the first to the last that ledger or rollup knows."""
    with read_session() as session:
        called = session.execute(
            select(func.min(LedgerRecord.called_at), func.max(LedgerRecord.called_at))
        ).one()
        rolled = session.execute(select(func.min(UsageRollup.day), func.max(UsageRollup.day))).one()
    known = [each.astimezone(UTC).date() for each in called if each is not None]
    known += [each for each in rolled if each is not None]
    if not known:
        return []
    first = min(known)
    return [first + DAY * place for place in range((max(known) - first).days + 1)]


def compare_day(day: date) -> list[Difference]:
    """Where the rollup of a day differs from the ledger; nowhere, if all is well."""
    both = union_all(
        _added_up(day, literal("ledger").label("source")),
        select(
            literal("rollup"),
            *(getattr(UsageRollup, name) for name in (*KEYS, *FIGURES)),
        ).where(UsageRollup.day == day),
    )
    sides: dict[tuple[str, ...], dict[str, dict[str, Decimal]]] = {}
    with read_session() as session:
        for row in session.execute(both):
            place = tuple(getattr(row, name) for name in KEYS)
            sides.setdefault(place, {})[row.source] = _figures(row)
    nothing = dict.fromkeys(FIGURES, Decimal(0))
    return [
        Difference(day, dict(zip(KEYS, place, strict=True)), figure, ledger[figure], rollup[figure])
        for place, found in sorted(sides.items())
        for ledger, rollup in [(found.get("ledger", nothing), found.get("rollup", nothing))]
        for figure in FIGURES
        if ledger[figure] != rollup[figure]
    ]


def rebuild_day(day: date) -> None:
    """Make the rollup of a day what the ledger adds up to, while calls may go on being booked."""
    with unit_of_work() as work:
        hold_table(work.session, UsageRollup)
        work.session.execute(delete(UsageRollup).where(UsageRollup.day == day))
        work.session.execute(
            insert(UsageRollup).from_select(
                ["day", *KEYS, *FIGURES], _added_up(day, literal(day).label("day"))
            )
        )
        work.invalidates(namespace_scope("analytics"))


def _added_up(day: date, first: ColumnElement[Any]) -> Select[Any]:
    """The ledger of a day, added up as the rollup is; `first` is the first column."""
    keys = [
        func.coalesce(LedgerRecord.workspace_id, "").label(name)
        if name == "workspace_id"
        else getattr(LedgerRecord, name)
        for name in KEYS
    ]
    figures = [
        _count(LedgerRecord.status != "cached").label("calls"),
        _count(LedgerRecord.status.in_(("error", "broken"))).label("failed_calls"),
        _count(LedgerRecord.cost_usd.is_(None)).label("unpriced_calls"),
        _count(LedgerRecord.is_estimated.is_(True)).label("estimated_calls"),
        *(func.sum(getattr(LedgerRecord, name)).label(name) for name in TOKENS),
        func.coalesce(func.sum(LedgerRecord.cost_usd), 0).label("cost_usd"),
        _count(LedgerRecord.status == "cached").label("cache_hits"),
        func.coalesce(func.sum(LedgerRecord.saved_usd), 0).label("saved_usd"),
    ]
    return (
        select(first, *keys, *figures)
        .where(
            LedgerRecord.called_at >= start_of(day),
            LedgerRecord.called_at < start_of(day + DAY),
        )
        .group_by(*keys)
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _figures(row: Row[Any]) -> dict[str, Decimal]:
    return {name: Decimal(getattr(row, name)) for name in FIGURES}
