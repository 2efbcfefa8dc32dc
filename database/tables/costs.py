"""The ledger, its rollup, prices and budgets."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from database.append_only import guard
from database.session import Base
from database.triggers.scopes import everyones, owned, shared
from database.types import Json, Money, UtcDateTime
from telemetry.ids import new_id

__all__ = ["Budget", "LedgerRecord", "Price", "UsageRollup"]

BOOKED = (
    owned("analytics", "user_id"),
    owned("analytics", "workspace_id"),
    everyones("analytics", stripes=16),
)
"""Whose figures a call raises."""


class Price(Base):
    """What a model costs from an instant on. `rates` are dollars for a million tokens, as text."""

    __tablename__ = "prices"
    __table_args__ = (
        Index("uq_prices_model_source_from", "model_id", "source", "effective_from", unique=True),
    )
    cached_in = (shared("providers"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(String(300))
    source: Mapped[str] = mapped_column(String(40))
    effective_from: Mapped[datetime] = mapped_column(UtcDateTime)
    rates: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerRecord(Base):
    """One provider call, booked once and never changed. A cost of null is unpriced, not free.

    The database itself refuses to change or delete one. `alias_id` is what was asked for where that
    was an alias; `attempt_of` names the call that an earlier, failed try was made for.
    """

    __tablename__ = "ledger_records"
    __table_args__ = (
        Index("ix_ledger_records_user_id_called_at_id", "user_id", "called_at", "id"),
        Index("ix_ledger_records_called_at_id", "called_at", "id"),
        Index("ix_ledger_records_key_id_booked_at", "key_id", "booked_at"),
    )
    cached_in = BOOKED

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    call_id: Mapped[str] = mapped_column(String(36), unique=True)
    user_id: Mapped[str] = mapped_column(String(36))
    key_id: Mapped[str] = mapped_column(String(36))
    workspace_id: Mapped[str | None] = mapped_column(String(36), index=True)
    provider_id: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str] = mapped_column(String(300))
    alias_id: Mapped[str | None] = mapped_column(String(64))
    attempt_of: Mapped[str | None] = mapped_column(String(36))
    endpoint: Mapped[str] = mapped_column(String(40))
    conversation_id: Mapped[str | None] = mapped_column(String(36))
    message_id: Mapped[str | None] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(20))
    error_code: Mapped[str | None] = mapped_column(String(60))
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_1h_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    input_audio_tokens: Mapped[int] = mapped_column(BigInteger)
    output_audio_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal | None] = mapped_column(Money)
    saved_usd: Mapped[Decimal | None] = mapped_column(Money)
    price_id: Mapped[str | None] = mapped_column(String(36))
    rates: Mapped[dict[str, Any] | None] = mapped_column(Json)
    is_estimated: Mapped[bool]
    is_streamed: Mapped[bool]
    first_token_ms: Mapped[int | None]
    duration_ms: Mapped[int]
    called_at: Mapped[datetime] = mapped_column(UtcDateTime)
    booked_at: Mapped[datetime] = mapped_column(UtcDateTime)


guard(LedgerRecord.metadata.tables[LedgerRecord.__tablename__])


class UsageRollup(Base):
    """The ledger added up by day, raised in the transaction that books a record.

    An absent workspace is the empty text: a primary key has no nulls.
    """

    __tablename__ = "usage_rollups"
    __table_args__ = (
        Index("ix_usage_rollups_user_id_day", "user_id", "day"),
        Index("ix_usage_rollups_workspace_id_day", "workspace_id", "day"),
    )
    cached_in = BOOKED

    day: Mapped[date] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    provider_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    failed_calls: Mapped[int] = mapped_column(BigInteger)
    unpriced_calls: Mapped[int] = mapped_column(BigInteger)
    estimated_calls: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal] = mapped_column(Money)
    cache_hits: Mapped[int] = mapped_column(BigInteger, server_default="0")
    saved_usd: Mapped[Decimal] = mapped_column(Money, server_default="0")


class Budget(Base):
    """A limit of spending for a workspace, user or key in each day, week or month (UTC).

    The owner is the workspace, the user, or the key's user: whose bookings count, and in whose
    scope the check of a call reads it.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        Index("uq_budgets_subject_period", "subject_kind", "subject_id", "period", unique=True),
    )
    cached_in = (
        owned("analytics", "owner_id"),
        everyones("analytics", stripes=16),
        owned("permissions", "owner_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(36))
    owner_id: Mapped[str] = mapped_column(String(36), index=True)
    period: Mapped[str] = mapped_column(String(10))
    soft_limit_usd: Mapped[Decimal | None] = mapped_column(Money)
    hard_limit_usd: Mapped[Decimal | None] = mapped_column(Money)
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
