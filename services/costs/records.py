"""The ledger's records, newest first: page by page, or all of a range as CSV.

CSV is RFC 4180; a cell that a spreadsheet would take for a formula is made plain text.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from cache.namespaces import ANALYTICS
from cache.results import CachedResult
from database.session import read_session
from database.tables.costs import LedgerRecord
from schemas.costs_records import RecordFilters, RecordQuery, RecordSchema
from services.costs.audience import Audience, audience_of, visible
from services.costs.days import check_order, chosen_range, start_of
from services.paging import decode_cursor, encode_cursor, page_of
from services.principal import Principal

__all__ = ["CSV_COLUMNS", "export_records", "list_records", "load_records"]

LISTING = "records"
CHUNK_ROWS = 500
CSV_COLUMNS = (
    "id",
    "call_id",
    "called_at",
    "user_id",
    "key_id",
    "workspace_id",
    "provider_id",
    "model_id",
    "endpoint",
    "conversation_id",
    "message_id",
    "status",
    "error_code",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "cost_usd",
    "saved_usd",
    "is_estimated",
    "is_streamed",
    "first_token_ms",
    "duration_ms",
    "booked_at",
    "alias_id",
    "attempt_of",
    "cache_write_1h_tokens",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_ONE = RecordSchema()


def list_records(principal: Principal, query: RecordQuery) -> CachedResult[dict[str, Any]]:
    """One page of the ledger, as far as the caller may see it.

    Raises:
        Invalid: the range or the cursor is none.
        Forbidden: somebody else's records are asked for.
    """
    check_order(query.from_on, query.to_on)
    return load_records(audience_of(principal, query.user), query)


@ANALYTICS.read("records")
def load_records(audience: Audience, query: RecordQuery) -> dict[str, Any]:
    """One page of the ledger, newest first."""
    after = None
    if query.cursor is not None:
        after = decode_cursor(LISTING, query.cursor, (datetime, str))
    rows = _select_rows(audience, query, after, query.limit + 1)
    return page_of(rows, query.limit, _ONE.dump, _cursor_of)


def export_records(principal: Principal, filters: RecordFilters) -> Iterator[str]:
    """The records of a range as CSV, in pieces of a few hundred rows.

    Checks are made at the call, before the first piece is taken. The pieces are read one by one,
    so that neither memory nor a transaction grows with the ledger.

    Raises:
        Invalid: the range is none.
        Forbidden: somebody else's records are asked for.
    """
    chosen = chosen_range(filters.from_on, filters.to_on)
    ranged = replace(filters, from_on=chosen.from_on, to_on=chosen.to_on)
    return _pieces(audience_of(principal, filters.user), ranged)


def _pieces(audience: Audience, filters: RecordFilters) -> Iterator[str]:
    yield _csv([list(CSV_COLUMNS)])
    after: tuple[datetime, str] | None = None
    while True:
        rows = _select_rows(audience, filters, after, CHUNK_ROWS)
        if rows:
            yield _csv([_cells(_ONE.dump(row)) for row in rows])
        if len(rows) < CHUNK_ROWS:
            return
        after = (rows[-1].called_at, rows[-1].id)


def _select_rows(
    audience: Audience,
    filters: RecordFilters,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[LedgerRecord]:
    where = _where(audience, filters)
    if after is not None:
        called_at, record_id = after
        where.append(
            or_(
                LedgerRecord.called_at < called_at,
                and_(LedgerRecord.called_at == called_at, LedgerRecord.id < record_id),
            )
        )
    newest_first = (LedgerRecord.called_at.desc(), LedgerRecord.id.desc())
    with read_session() as session:
        statement = select(LedgerRecord).where(*where).order_by(*newest_first).limit(limit)
        return list(session.scalars(statement))


def _where(audience: Audience, filters: RecordFilters) -> list[ColumnElement[bool]]:
    where = [visible(audience, LedgerRecord.user_id)]
    if filters.from_on is not None:
        where.append(LedgerRecord.called_at >= start_of(filters.from_on))
    if filters.to_on is not None:
        where.append(LedgerRecord.called_at < start_of(filters.to_on))
    asked = (
        (LedgerRecord.model_id, filters.model),
        (LedgerRecord.key_id, filters.key),
        (LedgerRecord.user_id, filters.user),
        (LedgerRecord.status, filters.status),
    )
    where.extend(column == value for column, value in asked if value is not None)
    return where


def _cursor_of(row: LedgerRecord) -> str:
    return encode_cursor(LISTING, [row.called_at, row.id])


def _cells(dumped: dict[str, Any]) -> list[str]:
    return [_cell(dumped[column]) for column in CSV_COLUMNS]


def _cell(value: object) -> str:
    """A value as a cell: nothing for null, and never something that runs when opened."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv(rows: list[list[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
