"""The ledger: one row for each provider call, booked exactly once, in the caller's transaction.

The row is never changed. It keeps the rates it was priced by, so that later prices rewrite no
history. The rollup that usage is read from is raised in the same transaction, by adding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import structlog
from sqlalchemy import select

from cache.namespaces import ANALYTICS
from cache.scopes import EVERYONE, UserId, WorkspaceId
from database.bookkeeping import add_up, insert_once
from database.session import read_session
from database.tables.costs import LedgerRecord, UsageRollup
from providers.protocol import Usage
from schemas.costs_records import CallStatus
from services.costs.pricing import PriceQuote, cost_of, price_at
from services.runtime import runtime
from services.unit_of_work import UnitOfWork
from telemetry.ids import new_id

__all__ = [
    "MAX_TOKENS",
    "PricedCall",
    "ProviderCall",
    "SavedCall",
    "answered_call",
    "book",
    "priced",
    "saving",
    "usage_in",
]

log = structlog.get_logger(__name__)

FREE = ("error", "cached")
BESIDE_THE_ROW = ("usage", "saved", "was_sent")
TIMES = ("first_token_ms", "duration_ms")
MAX_MS = 2**31 - 1
"""Three and a half weeks; a stream that was lost before a backup may be found years later."""
_RECORDS = LedgerRecord.metadata.tables[LedgerRecord.__tablename__]
MAX_TOKENS = 100_000_000
"""Ten times the largest context there is; a count beyond it is a provider's mistake."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderCall:
    """One call to a provider, as it went. Times are milliseconds.

    `usage` is what the provider counted, or the caller's estimate, marked `is_estimated`. An
    explicit zero is a zero. `None` says that nobody counted: no tokens, and marked as estimated.
    `saved` is what a call that was not made would have used. One that ended before its provider was
    asked, or between two tries, was not `was_sent`.
    """

    call_id: str
    user_id: str
    key_id: str
    workspace_id: str | None
    provider_id: str
    model_id: str
    alias_id: str | None = None
    attempt_of: str | None = None
    endpoint: str
    conversation_id: str | None = None
    message_id: str | None = None
    status: CallStatus
    error_code: str | None = None
    usage: Usage | None
    saved: Usage | None = None
    is_estimated: bool = False
    is_streamed: bool
    first_token_ms: int | None = None
    duration_ms: int
    called_at: datetime
    was_sent: bool = True


_CALL = tuple(each.name for each in fields(ProviderCall) if each.name not in BESIDE_THE_ROW)
_COUNTS = tuple(each.name for each in fields(Usage))


@dataclass(frozen=True, slots=True)
class PricedCall:
    """A call and the price of its model at that time; `None` if it has none."""

    call: ProviderCall
    quote: PriceQuote | None


class SavedCall(NamedTuple):
    """A call that need not be made again: which model's, and what it used."""

    provider_id: str
    model_id: str
    usage: Usage


def saving(saved: SavedCall, **whose: Any) -> ProviderCall:
    """The record of a call that was not made, by `whose` it would have been, and when."""
    return ProviderCall(
        provider_id=saved.provider_id,
        model_id=saved.model_id,
        status="cached",
        usage=Usage(0, 0),
        saved=saved.usage,
        duration_ms=0,
        **whose,
    )


def priced(call: ProviderCall) -> PricedCall:
    """`call` with its price, which is read through the cache: before the transaction begins."""
    return PricedCall(call, price_at(call.model_id, call.called_at))


def book(work: UnitOfWork, priced_call: PricedCall) -> Mapping[str, Any]:
    """Book a call within `work`: its row, and what that adds to the day's rollup.

    Booking a call again changes nothing, whoever does it and however close behind.

    Args:
        work: the transaction; the row is there when it commits, and not before.
        priced_call: what was done, and at what price.

    Returns:
        The row that stands in the ledger for the call, by column, with its cost.
    """
    call = priced_call.call
    usage, is_estimated = _counted(call)
    row = _row(call, usage, priced_call.quote) | {"is_estimated": is_estimated}
    connection = work.connection(LedgerRecord, UsageRollup)
    is_new = insert_once(connection, LedgerRecord, "call_id", row)
    if is_new:
        add_up(connection, UsageRollup, _place(row), _amounts(row))
    work.invalidates(ANALYTICS.of(UserId(call.user_id)), ANALYTICS.of(EVERYONE))
    if call.workspace_id:
        work.invalidates(ANALYTICS.of(WorkspaceId(call.workspace_id)))
    if is_new:
        return row
    standing = select(_RECORDS).where(_RECORDS.c.call_id == call.call_id)
    return {**connection.execute(standing).mappings().one()}


def usage_in(row: Mapping[str, Any]) -> Usage:
    """The tokens that a row of the ledger has."""
    return Usage(**{name: row[name] for name in _COUNTS})


def answered_call(call_id: str) -> SavedCall | None:
    """What a call that was answered to its end has used; `None` for any other."""
    with read_session() as session:
        found = select(_RECORDS).where(_RECORDS.c.call_id == call_id, _RECORDS.c.status == "ok")
        row = session.execute(found).mappings().one_or_none()
    if row is None:
        return None
    return SavedCall(row["provider_id"], row["model_id"], usage_in(dict(row)))


def _counted(call: ProviderCall) -> tuple[Usage, bool]:
    """The call's tokens within what can be true, and whether they are estimated."""
    if call.usage is None:
        return Usage(0, 0), True
    counts = _counts(call.usage)
    sane = {name: min(max(0, count), MAX_TOKENS) for name, count in counts.items()}
    if sane == counts:
        return call.usage, call.is_estimated
    log.error("usage_beyond_belief", call_id=call.call_id, model_id=call.model_id, **counts)
    return replace(call.usage, **sane), call.is_estimated


def _counts(usage: Usage) -> dict[str, int]:
    """The counts by name; `asdict` takes ten times as long."""
    return {name: getattr(usage, name) for name in _COUNTS}


def _row(call: ProviderCall, usage: Usage, quote: PriceQuote | None) -> dict[str, Any]:
    """The row of a call, by column."""
    row = {name: getattr(call, name) for name in _CALL}
    for name in TIMES:
        if row[name] is not None:
            row[name] = min(max(0, row[name]), MAX_MS)
    counted = call.saved or usage
    return {
        **row,
        **_counts(usage),
        "id": new_id(),
        "cost_usd": _cost(call, usage, quote),
        "saved_usd": cost_of(call.saved, quote) if call.saved else None,
        "price_id": quote.price_id if quote else None,
        "rates": quote.rates_for(counted).written() if quote else None,
        "booked_at": runtime().clock.now(),
    }


def _cost(call: ProviderCall, usage: Usage, quote: PriceQuote | None) -> Decimal | None:
    """What the call cost; `None` for one without a price, or whose tokens nobody counted.

    One that was refused, saved or never sent cost nothing, not even a fee for each call, whether
    its model has a price or not.
    """
    is_free = call.status in FREE or not call.was_sent
    if is_free and not any(_counts(usage).values()):
        return Decimal(0)
    return None if call.usage is None else cost_of(usage, quote)


def _place(row: dict[str, Any]) -> dict[str, Any]:
    """Which row of the rollup a ledger row is added to: the day it was called on, in UTC."""
    return {
        "day": row["called_at"].astimezone(UTC).date(),
        "user_id": row["user_id"],
        "key_id": row["key_id"],
        "workspace_id": row["workspace_id"] or "",
        "provider_id": row["provider_id"],
        "model_id": row["model_id"],
    }


def _amounts(row: dict[str, Any]) -> dict[str, Any]:
    """What a ledger row adds to the rollup."""
    return {
        "calls": int(row["status"] != "cached"),
        "failed_calls": int(row["status"] in {"error", "broken"}),
        "unpriced_calls": int(row["cost_usd"] is None),
        "estimated_calls": int(row["is_estimated"]),
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "cached_tokens": row["cached_tokens"],
        "cache_write_tokens": row["cache_write_tokens"],
        "reasoning_tokens": row["reasoning_tokens"],
        "cost_usd": row["cost_usd"] or Decimal(0),
        "cache_hits": int(row["status"] == "cached"),
        "saved_usd": row["saved_usd"] or Decimal(0),
    }
