"""The shapes of searching conversations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from schemas.fields import Id, Text, UtcTime
from schemas.page import DEFAULT_LIMIT, PageQuerySchema, page_schema

__all__ = ["FoundPageSchema", "FoundSchema", "SearchQuery", "SearchQuerySchema"]

MAX_QUERY_CHARS = 500
DAY_CHARS = len("2026-01-31")
DAY_BEGINS = "T00:00:00Z"
ABOUT = (
    "Words that are all to be found in one title or one message, whatever their case and accents. "
    'Words in "double quotes" follow one another; the last word may be the beginning of one.'
)


class Moment(UtcTime):
    """An instant, or a day for its beginning in UTC."""

    default_error_messages = {  # noqa: RUF012 (marshmallow's own form)
        "invalid": "Must be a day or an RFC 3339 time: 2026-01-31 or 2026-01-31T12:00:00Z.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if isinstance(value, str) and len(value) == DAY_CHARS:
            value += DAY_BEGINS
        return super()._deserialize(value, attr, data, **kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What is looked for, where, and which page of it."""

    q: str
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    model: str | None = None
    folder_id: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


class SearchQuerySchema(PageQuerySchema):
    """What to look for."""

    q = Text(min_chars=1, max_chars=MAX_QUERY_CHARS, required=True, metadata={"description": ABOUT})
    model = Id(
        load_default=None,
        metadata={"description": "The conversation's model, or one that answered in it."},
    )
    folder_id = Id(load_default=None)
    from_at = Moment(
        data_key="from", load_default=None, metadata={"description": "Said then or later."}
    )
    to_at = Moment(data_key="to", load_default=None, metadata={"description": "Said before then."})

    @validates_schema
    def check_range(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse a range that ends before it begins."""
        first, last = loaded.get("from_at"), loaded.get("to_at")
        if first is not None and last is not None and first > last:
            raise ValidationError("Must not be before `from`.", "to")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> SearchQuery:
        """The loaded fields as one value."""
        return SearchQuery(**loaded)


class FoundMessageSchema(Schema):
    """A message that was found."""

    message_id = fields.String(required=True)
    role = fields.String(required=True)
    snippet = fields.String(
        required=True,
        metadata={"description": "HTML: the text is escaped, what was found is in `<mark>`."},
    )
    created_at = UtcTime(required=True)


class FoundSchema(Schema):
    """A conversation in which something was found."""

    conversation_id = fields.String(required=True, attribute="id")
    title = fields.String(required=True)
    title_snippet = fields.String(
        required=True,
        metadata={"description": "HTML: the title, escaped, what was found is in `<mark>`."},
    )
    folder_id = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True, attribute="model_id")
    pinned = fields.Boolean(required=True, attribute="is_pinned")
    archived = fields.Boolean(required=True, attribute="is_archived")
    active_at = UtcTime(required=True)
    match_count = fields.Integer(
        required=True, metadata={"description": "How many messages have what was looked for."}
    )
    messages = fields.List(
        fields.Nested(FoundMessageSchema),
        required=True,
        metadata={"description": "The newest of them, three at most."},
    )


FoundPageSchema = page_schema(FoundSchema)
