"""The audit log: who changed what, when. It is only ever added to, in the change's own transaction.

A detail never holds a secret: fields that are named like one, and text that looks like one, are
masked here once more.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, select, tuple_

from cache.namespaces import AUDIT_LOGS
from cache.results import CachedResult, encode_body
from cache.scopes import EVERYONE, Everyone
from database.session import read_session
from database.tables.platform import AuditLog
from schemas.audit_logs import AuditLogSchema, AuditQuery
from services.paging import decode_cursor, encode_cursor, page_of
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork
from telemetry.logs import masked

__all__ = ["list_audit_logs", "record"]

LISTING = "audit_logs"
MAX_DETAIL_BYTES = 8192
_ONE = AuditLogSchema()


def record(
    work: UnitOfWork,
    principal: Principal | None,
    action: str,
    subject_kind: str,
    subject_id: str,
    detail: Mapping[str, Any],
) -> None:
    """Note within `work` that something was done.

    Args:
        work: the transaction of what is noted: both are durable, or neither.
        principal: who did it; `None` for the terminal and the first start.
        action: kind and past tense, such as `key.created`.
        subject_kind: what was acted on, such as `key`.
        subject_id: its id.
        detail: what changed, JSON-able (times and decimals are written as text).
    """
    work.session.add(
        AuditLog(
            actor_user_id=principal.user_id if principal else None,
            actor_key_id=principal.key_id if principal else None,
            action=action,
            subject_kind=subject_kind,
            subject_id=subject_id,
            detail=_bounded(masked(msgspec.to_builtins(dict(detail), str_keys=True))),
            logged_at=runtime().clock.now(),
        )
    )
    work.invalidates(AUDIT_LOGS.of(EVERYONE))


def _bounded(detail: dict[str, Any]) -> dict[str, Any]:
    """The detail, or, where it is too long to keep, the names of its fields."""
    if len(encode_body(detail)) <= MAX_DETAIL_BYTES:
        return detail
    return {"shortened": True, "fields": sorted(name[:60] for name in detail)[:50]}


def list_audit_logs(asked: AuditQuery) -> CachedResult[dict[str, Any]]:
    """A page of the log, the newest first.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    return load_page(EVERYONE, asked)


@AUDIT_LOGS.read("list")
def load_page(everyone: Everyone, asked: AuditQuery) -> dict[str, Any]:
    """The page itself, from the table."""
    del everyone  # the view over all users has no owner to filter by
    statement = _filtered(select(AuditLog), asked)
    if asked.cursor:
        position = decode_cursor(LISTING, asked.cursor, (datetime, str))
        statement = statement.where(tuple_(AuditLog.logged_at, AuditLog.id) < position)
    statement = statement.order_by(AuditLog.logged_at.desc(), AuditLog.id.desc())
    with read_session() as session:
        rows = session.scalars(statement.limit(asked.limit + 1)).all()
        return page_of(
            rows,
            asked.limit,
            _ONE.dump,
            lambda row: encode_cursor(LISTING, (row.logged_at, row.id)),
        )


def _filtered(statement: Select[AuditLog], asked: AuditQuery) -> Select[AuditLog]:
    equal = {
        AuditLog.actor_user_id: asked.actor,
        AuditLog.action: asked.action,
        AuditLog.subject_kind: asked.subject_kind,
        AuditLog.subject_id: asked.subject,
    }
    for column, value in equal.items():
        if value is not None:
            statement = statement.where(column == value)
    if asked.since is not None:
        statement = statement.where(AuditLog.logged_at >= asked.since)
    if asked.until is not None:
        statement = statement.where(AuditLog.logged_at < asked.until)
    return statement
