"""Conversations out of Larder and into it: our own JSON, Markdown to read, ChatGPT's export."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from cache.namespaces import CONVERSATIONS
from cache.results import encode_body
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Conversation, Message
from database.tables.platform import StoredFile
from schemas.conversations import ConversationSchema
from schemas.fields import one_line
from schemas.transfer import (
    FORMAT,
    VERSION,
    ConversationImport,
    ExportSchema,
    ImportedConversation,
    ImportedMessage,
)
from services.conversations.messages import branch
from services.conversations.threads import get_conversation, owned_conversation
from services.errors import Invalid
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from telemetry.ids import new_id

__all__ = [
    "export_conversation",
    "export_markdown",
    "import_conversations",
    "max_import_bytes",
]

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
UNTITLED = "Conversation"
WRITTEN_AT_ONCE = 100
"""Messages; other requests of the worker come between, streams above all."""
SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System"}
_EXPORT = ExportSchema()
_SHOWN = ConversationSchema(many=True)


def max_import_bytes() -> int:
    """The largest body of an import: it is a file, not a message, and what is exported fits in."""
    settings = runtime().settings
    return max(settings.max_file_bytes, 2 * settings.max_conversation_bytes)


def export_conversation(owner: UserId, conversation_id: str) -> dict[str, Any]:
    """A conversation with its whole tree of messages, in the order they were made.

    Raises:
        NotFound: `owner` has no such conversation.
    """
    with read_session() as session:
        thread = owned_conversation(session, owner, conversation_id)
        rows = session.scalars(
            select(Message)
            .where(Message.user_id == owner, Message.conversation_id == conversation_id)
            .order_by(Message.id)
        ).all()
    columns = {column.name: getattr(thread, column.name) for column in thread.__table__.columns}
    messages = [_written(row) for row in rows]
    exported: dict[str, Any] = _EXPORT.dump(
        {**columns, "format": FORMAT, "version": VERSION, "messages": messages}
    )
    return exported


def export_markdown(owner: UserId, conversation_id: str) -> str:
    """The branch that a conversation opens with, to be read by people.

    Raises:
        NotFound: `owner` has no such conversation.
    """
    thread = get_conversation(owner, conversation_id).value
    parts = [f"# {_line(thread['title']) or UNTITLED}"]
    if thread["system_prompt"]:
        quoted = thread["system_prompt"].replace("\n", "\n> ")
        parts.append(f"> {quoted}")
    for message in branch(owner, conversation_id, None).value["items"]:
        model = f" ({message['model']})" if message["model"] else ""
        speaker = SPEAKERS.get(message["role"], message["role"])
        parts += [f"## {speaker}{model}, {message['created_at']}", message["content"].strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def import_conversations(owner: UserId, given: ConversationImport) -> dict[str, Any]:
    """Store conversations, all or none; every id is new.

    Files that are not `owner`'s are left out, times that are to come become now, and an answer
    that was still being written counts as cancelled. What answers cost was booked where they were
    given: the ledger does not change.

    Returns:
        The conversations as they are read.

    Raises:
        Invalid: one has more than twice the text that a conversation may have.
    """
    _check_sizes(given)
    owned = _owned_files(owner, given)
    threads = [_conversation(owner, each) for each in given.conversations]
    rows = [
        row
        for thread, each in zip(threads, given.conversations, strict=True)
        for row in _messages(thread, each.messages, owned)
    ]
    with unit_of_work() as work:
        work.session.add_all(threads)
        work.session.flush()  # the messages refer to them
        for first in range(0, len(rows), WRITTEN_AT_ONCE):
            work.session.add_all(rows[first : first + WRITTEN_AT_ONCE])
            work.session.flush()  # some, then what else the worker does
            runtime().clock.sleep(0)
        work.invalidates(CONVERSATIONS.of(owner))
    return {"items": _SHOWN.dump(threads), "next_cursor": None}


def _written(row: Message) -> dict[str, Any]:
    """A message's columns, its usage apart."""
    names = {column.name for column in row.__table__.columns} - {"params"}  # which stay here
    columns = {name: getattr(row, name) for name in names}
    return {**columns, "usage": None if row.input_tokens is None else row}


def _line(text: str) -> str:
    return " ".join(text.split())


def _past(instant: datetime | None, otherwise: datetime) -> datetime:
    return otherwise if instant is None else min(max(instant, EARLIEST), runtime().clock.now())


def _conversation(owner: UserId, given: ImportedConversation) -> Conversation:
    now = runtime().clock.now()
    created_at = _past(given.created_at, now)
    return Conversation(
        id=new_id(),
        user_id=owner,
        title=one_line(given.title),
        model_id=given.model_id,
        system_prompt=given.system_prompt,
        is_pinned=given.is_pinned,
        is_archived=given.is_archived,
        created_at=created_at,
        updated_at=now,
        active_at=_past(given.active_at, created_at),
    )


def _check_sizes(given: ConversationImport) -> None:
    """Refuse what is far too long; the last answer of a full conversation is exported as well."""
    limit = 2 * runtime().settings.max_conversation_bytes
    for place, thread in enumerate(given.conversations):
        if sum(map(_bytes_of, thread.messages)) > limit:
            sentence = f"An imported conversation can have {limit} bytes of text at most."
            raise Invalid.field(f"conversations.{place}.messages", sentence)


def _bytes_of(message: ImportedMessage) -> int:
    calls = encode_body(message.tool_calls) if message.tool_calls else b""
    return len(message.content.encode()) + len((message.reasoning or "").encode()) + len(calls)


def _messages(
    thread: Conversation, given: Iterable[ImportedMessage], owned: set[str]
) -> Iterator[Message]:
    """The messages in their order, so that parents are there first and the last stays the last."""
    ids: dict[str, str] = {}
    for place, each in enumerate(given, 1):
        if place % WRITTEN_AT_ONCE == 0:
            runtime().clock.sleep(0)
        ids[each.id] = new_id()
        usage = each.usage
        yield Message(
            id=ids[each.id],
            conversation_id=thread.id,
            user_id=thread.user_id,
            parent_id=ids[each.parent_id] if each.parent_id else None,
            role=each.role,
            content=each.content,
            reasoning=each.reasoning,
            tool_calls=each.tool_calls,
            file_ids=[file for file in each.file_ids or () if file in owned] or None,
            model_id=each.model_id,
            status="cancelled" if each.status == "streaming" else each.status,
            finish_reason=each.finish_reason,
            error_code=each.error_code,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            cost_usd=usage.cost_usd if usage else None,
            is_estimated=usage.is_estimated if usage else None,
            created_at=_past(each.created_at, thread.created_at),
            updated_at=thread.updated_at,
        )


def _owned_files(owner: UserId, given: ConversationImport) -> set[str]:
    """Which of the files that messages name are `owner`'s."""
    named = {
        file
        for thread in given.conversations
        for message in thread.messages
        for file in message.file_ids or ()
    }
    if not named:
        return set()
    with read_session() as session:
        theirs = session.scalars(select(StoredFile.id).where(StoredFile.user_id == owner)).all()
    return named & set(theirs)
