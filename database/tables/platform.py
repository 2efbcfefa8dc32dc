"""What the platform keeps beside the chats: audit log, files, answers to repeated requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from database.append_only import guard
from database.session import Base
from database.triggers.scopes import everyones, owned
from database.types import Json, UtcDateTime
from telemetry.ids import new_id

__all__ = [
    "AuditLog",
    "CacheStatistics",
    "CacheWindow",
    "IdempotencyRecord",
    "StoredFile",
    "WarmRun",
]


class AuditLog(Base):
    """Who changed what, when; only ever added to."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index("ix_audit_logs_logged_at_id", "logged_at", "id"),
        Index("ix_audit_logs_actor", "actor_user_id", "logged_at", "id"),
        Index("ix_audit_logs_action", "action", "logged_at", "id"),
        Index("ix_audit_logs_subject", "subject_id", "logged_at", "id"),
    )
    cached_in = (everyones("audit_logs", stripes=4),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    actor_user_id: Mapped[str | None] = mapped_column(String(36))
    actor_key_id: Mapped[str | None] = mapped_column(String(36))
    action: Mapped[str] = mapped_column(String(60))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(300))
    detail: Mapped[dict[str, Any]] = mapped_column(Json)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime)


guard(AuditLog.metadata.tables[AuditLog.__tablename__])


class StoredFile(Base):
    """An uploaded file with its content, so that every worker and machine has it."""

    __tablename__ = "files"
    cached_in = (owned("files", "user_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(120))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyRecord(Base):
    """The first answer to a request that may be repeated (`Idempotency-Key`)."""

    __tablename__ = "idempotency_records"
    cached_in = ()

    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(Json)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class CacheStatistics(Base):
    """Cache figures of one server start, or the baseline that a reset keeps (`baseline`)."""

    __tablename__ = "cache_statistics"
    cached_in = ()

    instance: Mapped[str] = mapped_column(String(100), primary_key=True)
    figures: Mapped[dict[str, Any]] = mapped_column(Json)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CacheWindow(Base):
    """What the cache counted on one server start within one minute, or one hour."""

    __tablename__ = "cache_windows"
    cached_in = ()

    instance: Mapped[str] = mapped_column(String(100), primary_key=True)
    span_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    figures: Mapped[dict[str, Any]] = mapped_column(Json)


class WarmRun(Base):
    """One run of one warming strategy."""

    __tablename__ = "warm_runs"
    __table_args__ = (Index("ix_warm_runs_strategy_started_at", "strategy", "started_at"),)
    cached_in = ()

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(String(36), index=True)
    strategy: Mapped[str] = mapped_column(String(60))
    status: Mapped[str] = mapped_column(String(20))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(500))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
