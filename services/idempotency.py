"""Requests that may be repeated: for a day, the same key of a client gives the first answer.

A record is made before the work begins, so that a repeat that comes too early is told so instead of
doing the work twice. Only answers that did something are kept; after a failure a repeat tries anew.
Kept bodies are encrypted: an answer may hold the secret of a new API key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from database.tables.platform import IdempotencyRecord
from services.errors import Conflict, Invalid
from services.runtime import runtime
from services.secrets import SecretUnreadable
from services.unit_of_work import unit_of_work

__all__ = ["FirstAnswer", "abandon", "begin", "finish"]

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
SLACK = timedelta(minutes=1)
MAX_BODY_BYTES = 2**20
MAX_SWEPT = 100


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """An answer that was given. `body` is `None` where it was not kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


def begin(key_id: str, idempotency_key: str, request_hash: str) -> FirstAnswer | None:
    """Begin a request, or find what it was answered with the first time.

    Args:
        key_id: the API key of the caller; others' repeats are others' requests.
        idempotency_key: what the caller named the request by.
        request_hash: a digest of all that it asks for.

    Returns:
        `None` if the request is to be done now: `finish` or `abandon` it.

    Raises:
        Invalid: the key was used for another request.
        Conflict: the first request is still running.
    """
    try:
        with unit_of_work() as work:
            _sweep(work.session)
            return _claim(work.session, key_id, idempotency_key, request_hash)
    except Conflict as fault:  # also when a twin inserted the row at the same moment
        sentence = "The first request with this key is still running."
        raise Conflict(sentence, code="still_running") from fault


def finish(key_id: str, idempotency_key: str, answer: FirstAnswer) -> None:
    """Keep the answer of a request that was begun.

    The work is done already, so a database that fails here is logged and not the caller's fault.
    """
    body = answer.body
    sealed = None if body is None or len(body) > MAX_BODY_BYTES else _sealed(body)
    try:
        with unit_of_work() as work:
            work.session.execute(
                update(IdempotencyRecord)
                .where(*_named(key_id, idempotency_key))
                .values(status=answer.status, headers=dict(answer.headers), body=sealed)
            )
    except SQLAlchemyError:
        log.exception("first_answer_not_kept", key_id=key_id)


def abandon(key_id: str, idempotency_key: str) -> None:
    """Forget a request that failed: a repeat tries anew."""
    try:
        with unit_of_work() as work:
            work.session.execute(delete(IdempotencyRecord).where(*_named(key_id, idempotency_key)))
    except SQLAlchemyError:
        log.exception("failed_request_not_forgotten", key_id=key_id)


def _claim(
    session: Session, key_id: str, idempotency_key: str, request_hash: str
) -> FirstAnswer | None:
    now = runtime().clock.now()
    row = session.scalar(
        select(IdempotencyRecord).where(*_named(key_id, idempotency_key)).with_for_update()
    )
    if row is not None and row.created_at <= _oldest():
        session.delete(row)
        session.flush()  # its place is free for the new one
        row = None
    if row is None:
        made = IdempotencyRecord(
            key_id=key_id,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
            created_at=now,
        )
        session.add(made)
        return None
    if row.request_hash != request_hash:
        sentence = "This key was used for another request: take a new one."
        raise Invalid.field("Idempotency-Key", sentence, code="idempotency_key_reused")
    if row.status is not None:
        return FirstAnswer(row.status, dict(row.headers or {}), _opened(row.body))
    if now < row.created_at + _longest_run():
        raise Conflict("still running")
    row.created_at = now  # whoever ran it is dead: it is done anew
    return None


def _named(key_id: str, idempotency_key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        IdempotencyRecord.key_id == key_id,
        IdempotencyRecord.idempotency_key == idempotency_key,
    )


def _oldest() -> datetime:
    """Records up to this instant have run out."""
    return runtime().clock.now() - KEPT


def _longest_run() -> timedelta:
    """How long a request may run before its worker must be dead."""
    return timedelta(seconds=runtime().settings.provider_total_timeout_s) + SLACK


def _sweep(session: Session) -> None:
    """Delete some records that have run out: more than the one that is made."""
    columns = (IdempotencyRecord.key_id, IdempotencyRecord.idempotency_key)
    old = session.execute(
        select(*columns)
        .where(IdempotencyRecord.created_at <= _oldest())
        .order_by(IdempotencyRecord.created_at)
        .limit(MAX_SWEPT)
        .with_for_update(skip_locked=True)
    ).all()
    if old:
        named = [tuple(row) for row in old]
        session.execute(delete(IdempotencyRecord).where(tuple_(*columns).in_(named)))


def _sealed(body: bytes) -> bytes:
    return runtime().secrets.encrypt(body.decode()).encode()


def _opened(sealed: bytes | None) -> bytes | None:
    """The body again, unless it was sealed under a key that is no more."""
    if sealed is None:
        return None
    try:
        return runtime().secrets.decrypt(sealed.decode()).encode()
    except SecretUnreadable:
        return None
