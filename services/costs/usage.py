"""What was used and spent, read from the rollup: by group, and day by day.

Figures are as fresh as the ledger: the rollup rises in the transaction that books a call.
"""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from cache.namespaces import ANALYTICS
from cache.results import CachedResult
from database.session import read_session
from database.tables.costs import UsageRollup
from schemas.costs_usage import DailyQuery, DailySchema, UsageFilters, UsageQuery, UsageSchema
from services.costs.audience import Audience, audience_of, visible
from services.costs.days import DayRange, chosen_range
from services.paging import decode_cursor, encode_cursor
from services.principal import Principal

__all__ = ["FIGURES", "get_daily", "get_usage", "load_daily", "load_usage"]

GROUP_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "model": UsageRollup.model_id,
    "provider": UsageRollup.provider_id,
    "user": UsageRollup.user_id,
    "workspace": UsageRollup.workspace_id,
    "key": UsageRollup.key_id,
    "day": UsageRollup.day,
}
FIGURES: tuple[InstrumentedAttribute[Any], ...] = (
    UsageRollup.calls,
    UsageRollup.failed_calls,
    UsageRollup.unpriced_calls,
    UsageRollup.estimated_calls,
    UsageRollup.input_tokens,
    UsageRollup.output_tokens,
    UsageRollup.cached_tokens,
    UsageRollup.cache_write_tokens,
    UsageRollup.reasoning_tokens,
    UsageRollup.cost_usd,
    UsageRollup.cache_hits,
    UsageRollup.saved_usd,
)
Q = TypeVar("Q", bound=UsageFilters)
_USAGE = UsageSchema()
_DAILY = DailySchema()


def get_usage(principal: Principal, query: UsageQuery) -> CachedResult[dict[str, Any]]:
    """Usage by group, as far as the caller may see it.

    Raises:
        Invalid: the range or the cursor is none.
        Forbidden: somebody else's usage is asked for.
    """
    return load_usage(audience_of(principal, query.user), _ranged(query))


def get_daily(principal: Principal, query: DailyQuery) -> CachedResult[dict[str, Any]]:
    """Usage day by day, as far as the caller may see it.

    Raises:
        Invalid: the range is none.
        Forbidden: somebody else's usage is asked for.
    """
    return load_daily(audience_of(principal, query.user), _ranged(query))


@ANALYTICS.read("usage")
def load_usage(audience: Audience, query: UsageQuery) -> dict[str, Any]:
    """One page of usage by group, in the order of the groups' names, with the totals of all."""
    column = GROUP_COLUMNS[query.group_by]
    where = _where(audience, query)
    page = select(column.label("place"), *_sums()).where(*where).group_by(column)
    if query.cursor is not None:
        kind = date if query.group_by == "day" else str
        (after,) = decode_cursor(_listing(query), query.cursor, (kind,))
        page = page.where(column > after)
    with read_session() as session:
        rows = session.execute(page.order_by(column).limit(query.limit + 1)).all()
        totals = session.execute(_totals(where)).one()
    shown = rows[: query.limit]
    is_last = len(rows) <= query.limit
    dumped: dict[str, Any] = _USAGE.dump(
        {
            "from_on": query.from_on,
            "to_on": query.to_on,
            "group_by": query.group_by,
            "items": [{"group": _name(row.place), **_figures(row)} for row in shown],
            "totals": _figures(totals),
            "next_cursor": None if is_last else encode_cursor(_listing(query), [shown[-1].place]),
        }
    )
    return dumped


@ANALYTICS.read("daily")
def load_daily(audience: Audience, query: DailyQuery) -> dict[str, Any]:
    """The figures of each day of a range, whose length is bounded, so it comes whole."""
    where = _where(audience, query)
    days = select(UsageRollup.day.label("place"), *_sums()).where(*where)
    with read_session() as session:
        rows = session.execute(days.group_by(UsageRollup.day)).all()
        totals = session.execute(_totals(where)).one()
    found = {row.place: _figures(row) for row in rows}
    nothing = {column.key: Decimal(0) for column in FIGURES}
    dumped: dict[str, Any] = _DAILY.dump(
        {
            "from_on": query.from_on,
            "to_on": query.to_on,
            "items": [{"day": day, **found.get(day, nothing)} for day in _range_of(query).days()],
            "totals": _figures(totals),
            "next_cursor": None,
        }
    )
    return dumped


def _ranged(query: Q) -> Q:
    """The query with its range made plain, so that it can be part of a cache key."""
    chosen = chosen_range(query.from_on, query.to_on)
    return replace(query, from_on=chosen.from_on, to_on=chosen.to_on)


def _range_of(query: UsageFilters) -> DayRange:
    return chosen_range(query.from_on, query.to_on)


def _where(audience: Audience, query: UsageFilters) -> list[ColumnElement[bool]]:
    chosen = _range_of(query)
    where = [
        visible(audience, UsageRollup.user_id),
        UsageRollup.day >= chosen.from_on,
        UsageRollup.day < chosen.to_on,
    ]
    for name in ("model", "provider", "user", "workspace", "key"):
        asked = getattr(query, name)
        if asked is not None:
            where.append(GROUP_COLUMNS[name] == asked)
    return where


def _sums() -> list[ColumnElement[Any]]:
    return [func.coalesce(func.sum(column), 0).label(column.key) for column in FIGURES]


def _totals(where: list[ColumnElement[bool]]) -> Select[Any]:
    return select(*_sums()).where(*where)


def _figures(row: Row[Any]) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in FIGURES}


def _name(place: object) -> str | None:
    """A group's name; calls outside any workspace have none."""
    return str(place) or None


def _listing(query: UsageQuery) -> str:
    return f"usage/{query.group_by}"
