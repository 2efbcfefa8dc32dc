"""The shapes of conversations."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, post_load

from schemas.fields import Flag, Id, Name, StrictSchema, Text, UtcTime
from schemas.page import DEFAULT_LIMIT, PageQuerySchema, page_schema

__all__ = [
    "MAX_PROMPT_CHARS",
    "MAX_TITLE_CHARS",
    "ConversationEdit",
    "ConversationPageSchema",
    "ConversationPatchSchema",
    "ConversationQuery",
    "ConversationQuerySchema",
    "ConversationSchema",
    "ConversationWriteSchema",
    "NewConversation",
]

MAX_TITLE_CHARS = 500
MAX_PROMPT_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """Which conversations are asked for, and which page of them."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    folder_id: str | None = None
    archived: bool | None = None
    pinned: bool | None = None


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation to be made."""

    title: str = ""
    folder_id: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    pinned: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class ConversationEdit:
    """What is to change; `changes` holds the named fields only, by column."""

    changes: dict[str, Any]


class ConversationSchema(Schema):
    """A conversation as it is read."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    folder_id = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True, attribute="model_id")
    system_prompt = fields.String(required=True, allow_none=True)
    pinned = fields.Boolean(required=True, attribute="is_pinned")
    archived = fields.Boolean(required=True, attribute="is_archived")
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)
    active_at = UtcTime(required=True)


ConversationPageSchema = page_schema(ConversationSchema)


class ConversationQuerySchema(PageQuerySchema):
    """The filters of the list."""

    folder_id = Id(load_default=None)
    archived = fields.Boolean(load_default=None)
    pinned = fields.Boolean(load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ConversationQuery:
        """The loaded fields as one value."""
        return ConversationQuery(**loaded)


class _WriteSchema(StrictSchema):
    title = Name(max_chars=MAX_TITLE_CHARS)
    folder_id = Id(allow_none=True)
    model = Id(allow_none=True)
    system_prompt = Text(max_chars=MAX_PROMPT_CHARS, allow_none=True)
    pinned = Flag()
    archived = Flag()


class ConversationWriteSchema(_WriteSchema):
    """A new conversation."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewConversation:
        """The loaded fields as one value."""
        return NewConversation(**loaded)


class ConversationPatchSchema(_WriteSchema):
    """A change of a conversation: what is left out stays."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ConversationEdit:
        """The loaded fields as one value, by column."""
        columns = {"model": "model_id", "pinned": "is_pinned", "archived": "is_archived"}
        return ConversationEdit({columns.get(name, name): loaded[name] for name in loaded})
