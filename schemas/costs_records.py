"""The shapes of the ledger's records."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

from marshmallow import Schema, fields, post_load, validate

from schemas.costs_usage import FROM_ABOUT, TO_ABOUT
from schemas.fields import Day, Id, Money, StrictSchema, UtcTime
from schemas.page import DEFAULT_LIMIT, PageQuerySchema

__all__ = [
    "CallStatus",
    "ExportQuerySchema",
    "RecordFilters",
    "RecordQuery",
    "RecordQuerySchema",
    "RecordSchema",
]

CallStatus = Literal["ok", "error", "cancelled", "broken", "cached"]
"""`error`: failed before the first token. `broken`: failed after it. `cached`: not a call at all,
but one that the response cache saved."""
STATUSES = get_args(CallStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilters:
    """Which records; `None` means all. Days are in UTC, `to_on` is the day after the last."""

    from_on: date | None = None
    to_on: date | None = None
    model: str | None = None
    key: str | None = None
    user: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery(RecordFilters):
    """One page of records."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class ExportQuerySchema(StrictSchema):
    """Which records to export; without a range those of the last 30 days."""

    from_on = Day(data_key="from", load_default=None, metadata={"description": FROM_ABOUT})
    to_on = Day(data_key="to", load_default=None, metadata={"description": TO_ABOUT})
    model = Id(load_default=None)
    key = Id(load_default=None)
    user = Id(load_default=None)
    status = fields.String(validate=validate.OneOf(STATUSES), load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> RecordFilters:
        """The loaded fields as one value."""
        return RecordFilters(**loaded)


class RecordQuerySchema(ExportQuerySchema, PageQuerySchema):
    """Which records to list, newest first; without a range all of them."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> RecordQuery:
        """The loaded fields as one value."""
        return RecordQuery(**loaded)


class RecordSchema(Schema):
    """One provider call as it was booked. A cost of null is unpriced, not free."""

    id = fields.String(required=True)
    call_id = fields.String(required=True)
    user_id = fields.String(required=True)
    key_id = fields.String(required=True)
    workspace_id = fields.String(required=True, allow_none=True)
    provider_id = fields.String(required=True)
    model_id = fields.String(required=True)
    alias_id = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The alias that was asked for, if it was one."},
    )
    attempt_of = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The `call_id` that this failed try was made for."},
    )
    endpoint = fields.String(required=True)
    conversation_id = fields.String(required=True, allow_none=True)
    message_id = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)
    error_code = fields.String(required=True, allow_none=True)
    input_tokens = fields.Integer(required=True)
    output_tokens = fields.Integer(required=True)
    cached_tokens = fields.Integer(required=True)
    cache_write_tokens = fields.Integer(required=True)
    cache_write_1h_tokens = fields.Integer(required=True)
    reasoning_tokens = fields.Integer(required=True)
    input_audio_tokens = fields.Integer(required=True)
    output_audio_tokens = fields.Integer(required=True)
    cost_usd = Money(required=True, allow_none=True)
    saved_usd = Money(
        required=True,
        allow_none=True,
        metadata={"description": "What an answer from the response cache would have cost."},
    )
    rates = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "Dollars for a million tokens, as they were applied."},
    )
    is_estimated = fields.Boolean(required=True)
    is_streamed = fields.Boolean(required=True)
    first_token_ms = fields.Integer(required=True, allow_none=True)
    duration_ms = fields.Integer(required=True)
    called_at = UtcTime(required=True)
    booked_at = UtcTime(required=True)
