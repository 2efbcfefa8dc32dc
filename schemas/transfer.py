"""The shapes of exports and imports: a conversation with its whole tree of messages.

What is exported can be imported again and comes back the same but for ids and times of change.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marshmallow import (
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from schemas.answers import MAX_FILES
from schemas.chatgpt import from_chatgpt, is_chatgpt
from schemas.conversations import MAX_PROMPT_CHARS, MAX_TITLE_CHARS
from schemas.fields import Flag, Id, Items, Money, StrictSchema, Text, UtcTime, WholeNumber
from schemas.messages import MAX_CONTENT_CHARS, MAX_MESSAGES

__all__ = [
    "FORMAT",
    "VERSION",
    "ConversationImport",
    "ExportQuerySchema",
    "ExportSchema",
    "ImportSchema",
    "ImportedConversation",
    "ImportedMessage",
]

FORMAT = "larder.conversation"
VERSION = 1
MAX_CONVERSATIONS = 1000
MAX_TOOL_CALLS = 128
MAX_TOKENS = 2**31 - 1
ROLES = ("user", "assistant", "system")
STATUSES = ("complete", "error", "cancelled", "streaming")
ABOUT_IMPORT = (
    "Conversations as they are exported. One of them, or ChatGPT's `conversations.json` (a list "
    "of conversations, or one of these), can also be sent as it is."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedUsage:
    """What an answer took, where it was given."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: Decimal | None
    is_estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMessage:
    """A message to be stored; `id` and `parent_id` hold within its conversation only."""

    id: str
    parent_id: str | None
    role: str
    content: str
    reasoning: str | None
    tool_calls: list[dict[str, Any]] | None
    file_ids: list[str] | None
    model_id: str | None
    status: str
    finish_reason: str | None
    error_code: str | None
    usage: ImportedUsage | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConversation:
    """A conversation to be stored; each message stands behind its parent."""

    title: str
    model_id: str | None
    system_prompt: str | None
    is_pinned: bool
    is_archived: bool
    created_at: datetime | None
    active_at: datetime | None
    messages: Sequence[ImportedMessage]


@dataclass(frozen=True, slots=True)
class ConversationImport:
    """What one import brings."""

    conversations: Sequence[ImportedConversation]


class ExportQuerySchema(StrictSchema):
    """Which form an export has."""

    format = fields.String(validate=validate.OneOf(["json", "markdown"]), load_default="json")


class ExportedUsageSchema(StrictSchema):
    """What an answer took."""

    input_tokens = WholeNumber(low=0, high=MAX_TOKENS, required=True)
    output_tokens = WholeNumber(low=0, high=MAX_TOKENS, required=True)
    cached_tokens = WholeNumber(low=0, high=MAX_TOKENS, required=True)
    cost_usd = Money(required=True, allow_none=True)
    is_estimated = Flag(required=True, data_key="estimated")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ImportedUsage:
        """The loaded fields as one value."""
        return ImportedUsage(**loaded)


class ExportedMessageSchema(StrictSchema):
    """A message with its place in the tree."""

    id = Id(required=True)
    parent_id = Id(load_default=None, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    content = Text(max_chars=MAX_CONTENT_CHARS, required=True)
    reasoning = Text(max_chars=MAX_CONTENT_CHARS, load_default=None, allow_none=True)
    tool_calls = Items(
        fields.Dict(keys=fields.String()),
        max_items=MAX_TOOL_CALLS,
        load_default=None,
        allow_none=True,
    )
    file_ids = Items(Id(), max_items=MAX_FILES, load_default=None, allow_none=True)
    model_id = Id(data_key="model", load_default=None, allow_none=True)
    status = fields.String(load_default="complete", validate=validate.OneOf(STATUSES))
    finish_reason = Text(max_chars=40, load_default=None, allow_none=True)
    error_code = Text(max_chars=60, load_default=None, allow_none=True)
    usage = fields.Nested(ExportedUsageSchema, load_default=None, allow_none=True)
    created_at = UtcTime(load_default=None, allow_none=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ImportedMessage:
        """The loaded fields as one value."""
        return ImportedMessage(**loaded)


class ExportSchema(StrictSchema):
    """A conversation with all its messages."""

    format = fields.String(load_default=FORMAT, validate=validate.Equal(FORMAT))
    version = fields.Integer(load_default=VERSION, strict=True, validate=validate.Equal(VERSION))
    title = Text(max_chars=MAX_TITLE_CHARS, load_default="")
    model_id = Id(data_key="model", load_default=None, allow_none=True)
    system_prompt = Text(max_chars=MAX_PROMPT_CHARS, load_default=None, allow_none=True)
    is_pinned = Flag(data_key="pinned", load_default=False)
    is_archived = Flag(data_key="archived", load_default=False)
    created_at = UtcTime(load_default=None, allow_none=True)
    active_at = UtcTime(load_default=None, allow_none=True)
    messages = Items(fields.Nested(ExportedMessageSchema), max_items=MAX_MESSAGES, required=True)

    @validates_schema
    def check_tree(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse what is no tree: an id twice, a parent that is not there, a circle."""
        fault = _fault_of_tree(loaded["messages"])
        if fault is not None:
            raise ValidationError(fault, "messages")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ImportedConversation:
        """The loaded fields as one value."""
        del loaded["format"], loaded["version"]
        loaded["messages"] = list(_parents_first(loaded["messages"]))
        return ImportedConversation(**loaded)


class ImportSchema(StrictSchema):
    """What is to be imported."""

    conversations = Items(
        fields.Nested(ExportSchema),
        min_items=1,
        max_items=MAX_CONVERSATIONS,
        required=True,
        metadata={"description": ABOUT_IMPORT},
    )

    @pre_load
    def recognise(self, given: Any, **_: object) -> Any:
        """One conversation or a list, ours or ChatGPT's, in the one form that is checked."""
        if isinstance(given, dict) and "conversations" in given:
            extra = {name: value for name, value in given.items() if name != "conversations"}
            return {**extra, "conversations": _ours(given["conversations"])}
        if isinstance(given, list):
            return {"conversations": _ours(given)}
        is_one = isinstance(given, dict) and ("messages" in given or is_chatgpt(given))
        return {"conversations": _ours([given])} if is_one else given

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ConversationImport:
        """The loaded fields as one value."""
        return ConversationImport(loaded["conversations"])


def _ours(conversations: Any) -> Any:
    """Conversations in our own format; what is neither ours nor ChatGPT's is left to be refused."""
    if not isinstance(conversations, list) or len(conversations) > MAX_CONVERSATIONS:
        return conversations
    ours = [from_chatgpt(each) if is_chatgpt(each) else each for each in conversations]
    _check_count(ours)
    return ours


def _check_count(conversations: Sequence[Any]) -> None:
    """Refuse more messages than one transaction should write, before any of them is looked at."""
    listed = [each.get("messages") for each in conversations if isinstance(each, dict)]
    if sum(len(each) for each in listed if isinstance(each, list)) > MAX_MESSAGES:
        raise ValidationError(
            f"There can be {MAX_MESSAGES} messages at most in one import.",
            "conversations",
        )


def _fault_of_tree(messages: Sequence[ImportedMessage]) -> str | None:
    ids = {each.id for each in messages}
    if len(ids) < len(messages):
        return "Each id must be there once."
    missing = {each.parent_id for each in messages if each.parent_id} - ids
    if missing:
        return f"There is no message “{min(missing)[:80]}” to be a parent."
    if sum(1 for _each in _parents_first(messages)) < len(messages):
        return "The messages form a circle."
    return None


def _parents_first(messages: Sequence[ImportedMessage]) -> Iterator[ImportedMessage]:
    """Each message behind its parent, else in the order given; those of a circle never come."""
    children: dict[str | None, list[int]] = {}
    for place, each in enumerate(messages):
        children.setdefault(each.parent_id, []).append(place)
    ready = children.get(None, [])
    heapq.heapify(ready)
    while ready:
        message = messages[heapq.heappop(ready)]
        yield message
        for place in children.get(message.id, ()):
            heapq.heappush(ready, place)
