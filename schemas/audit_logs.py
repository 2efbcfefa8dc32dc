"""The shapes of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from schemas.fields import Id, Text, UtcTime
from schemas.page import PageQuerySchema, page_schema

__all__ = ["AuditLogQuerySchema", "AuditLogSchema", "AuditLogsSchema", "AuditQuery"]

MAX_WORD_CHARS = 60


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which records are asked for; what is `None` does not matter."""

    limit: int
    cursor: str | None = None
    actor: str | None = None
    action: str | None = None
    subject_kind: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLogSchema(Schema):
    """One record: who did what to what, when."""

    id = fields.String(required=True)
    logged_at = UtcTime(required=True)
    actor_user_id = fields.String(required=True, allow_none=True)
    actor_key_id = fields.String(required=True, allow_none=True)
    action = fields.String(required=True)
    subject_kind = fields.String(required=True)
    subject_id = fields.String(required=True)
    detail = fields.Dict(keys=fields.String(), required=True)


AuditLogsSchema = page_schema(AuditLogSchema)


class AuditLogQuerySchema(PageQuerySchema):
    """What narrows the log down."""

    actor = Id(load_default=None, metadata={"description": "Id of the user who acted."})
    action = Text(
        min_chars=1,
        max_chars=MAX_WORD_CHARS,
        load_default=None,
        metadata={"description": "Such as `key.created`."},
    )
    subject_kind = Text(min_chars=1, max_chars=MAX_WORD_CHARS, load_default=None)
    subject = Id(load_default=None, metadata={"description": "Id of what was acted on."})
    since = UtcTime(load_default=None, data_key="from")
    until = UtcTime(
        load_default=None, data_key="to", metadata={"description": "The end, exclusive."}
    )

    @validates_schema
    def check_order(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse a time that ends before it begins."""
        if loaded.get("since") and loaded.get("until") and loaded["until"] < loaded["since"]:
            raise ValidationError("Must not lie before `from`.", "to")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> AuditQuery:
        """The loaded fields as one value."""
        return AuditQuery(**loaded)
