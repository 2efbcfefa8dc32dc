"""The shapes of messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from schemas.fields import Id, Money, StrictSchema, Text, UtcTime
from schemas.page import DEFAULT_LIMIT, PageQuerySchema, page_schema

__all__ = [
    "ABOUT_CONTENT",
    "MAX_CONTENT_CHARS",
    "MAX_MESSAGES",
    "MessageEdit",
    "MessagePageSchema",
    "MessagePatchSchema",
    "MessageQuery",
    "MessageQuerySchema",
    "MessageSchema",
]

MAX_CONTENT_CHARS = 10**8
"""The most that `MAX_MESSAGE_CHARS` can be set to; the setting itself is the services' to check."""
ABOUT_CONTENT = "As many characters as `MAX_MESSAGE_CHARS` allows."
MAX_MESSAGES = 20_000
"""Of one conversation, and of one import."""


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages are asked for: the whole tree by pages, or one branch."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    leaf_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageEdit:
    """The new words of a message."""

    content: str


class UsageSchema(Schema):
    """What an answer took."""

    input_tokens = fields.Integer(required=True)
    output_tokens = fields.Integer(required=True)
    cached_tokens = fields.Integer(required=True)
    cost_usd = Money(required=True, allow_none=True)
    estimated = fields.Boolean(required=True, attribute="is_estimated")


class MessageSchema(Schema):
    """A message as it is read."""

    id = fields.String(required=True)
    conversation_id = fields.String(required=True)
    parent_id = fields.String(required=True, allow_none=True)
    role = fields.String(required=True)
    content = fields.String(required=True)
    reasoning = fields.String(required=True, allow_none=True)
    tool_calls = fields.List(fields.Dict(), required=True, allow_none=True)
    file_ids = fields.List(fields.String(), required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True, attribute="model_id")
    status = fields.String(required=True)
    finish_reason = fields.String(required=True, allow_none=True)
    error_code = fields.String(required=True, allow_none=True)
    stream_id = fields.String(required=True, allow_none=True)
    usage = fields.Method("dump_usage", required=True, allow_none=True)
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)

    def dump_usage(self, row: Any) -> dict[str, Any] | None:
        """What an answer took; `None` for what took nothing."""
        if row.input_tokens is None:
            return None
        dumped: dict[str, Any] = UsageSchema().dump(row)
        return dumped


MessagePageSchema = page_schema(MessageSchema)


class MessageQuerySchema(PageQuerySchema):
    """The whole tree by pages, or the branch that ends in `leaf_id`."""

    leaf_id = Id(load_default=None)

    @validates_schema(pass_original=True)
    def check_branch(self, loaded: Any, sent: Mapping[str, Any], **_: object) -> None:
        """Refuse a page of a branch: it comes whole."""
        paged = [name for name in ("limit", "cursor") if name in sent]
        if loaded["leaf_id"] is not None and paged:
            raise ValidationError({name: ["A branch comes whole: leave it out."] for name in paged})

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> MessageQuery:
        """The loaded fields as one value."""
        return MessageQuery(**loaded)


class MessagePatchSchema(StrictSchema):
    """An edit: it makes a sibling, so that nothing said is lost."""

    content = Text(
        min_chars=1,
        max_chars=MAX_CONTENT_CHARS,
        required=True,
        metadata={"description": ABOUT_CONTENT},
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> MessageEdit:
        """The loaded fields as one value."""
        return MessageEdit(**loaded)
