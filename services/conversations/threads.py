"""Conversations themselves: made, filed, pinned, archived, listed by their last activity."""

from datetime import datetime
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Conversation, Folder
from schemas.conversations import (
    ConversationEdit,
    ConversationQuery,
    ConversationSchema,
    NewConversation,
)
from services.errors import Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.runtime import runtime
from services.stream_rows import stop_within
from services.unit_of_work import unit_of_work

__all__ = [
    "create_conversation",
    "delete_conversation",
    "edit_conversation",
    "get_conversation",
    "list_conversations",
    "owned_conversation",
]

LISTING = "conversations"
_ONE = ConversationSchema()


@CONVERSATIONS.read("list")
def list_conversations(owner: UserId, query: ConversationQuery) -> dict[str, Any]:
    """One page of `owner`'s conversations, the last active first."""
    wanted = select(Conversation).where(Conversation.user_id == owner)
    for column, value in (
        (Conversation.folder_id, query.folder_id),
        (Conversation.is_archived, query.archived),
        (Conversation.is_pinned, query.pinned),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.cursor is not None:
        before = decode_cursor(LISTING, query.cursor, [datetime, str])
        wanted = wanted.where(
            tuple_(Conversation.active_at, Conversation.id)
            < tuple_(
                literal(before[0], Conversation.active_at.type),
                literal(before[1], Conversation.id.type),
            )
        )
    order = (Conversation.active_at.desc(), Conversation.id.desc())
    with read_session() as session:
        rows = session.scalars(wanted.order_by(*order).limit(query.limit + 1)).all()
        return page_of(
            rows,
            query.limit,
            _dump,
            lambda row: encode_cursor(LISTING, [row.active_at, row.id]),
        )


@CONVERSATIONS.read("detail")
def get_conversation(owner: UserId, conversation_id: str) -> dict[str, Any]:
    """One conversation of `owner`.

    Raises:
        NotFound: `owner` has no such conversation.
    """
    with read_session() as session:
        return _dump(owned_conversation(session, owner, conversation_id))


def create_conversation(owner: UserId, new: NewConversation) -> dict[str, Any]:
    """Make a conversation.

    Raises:
        Invalid: the folder is not one of `owner`'s.
    """
    now = runtime().clock.now()
    with unit_of_work() as work:
        _check_folder(work.session, owner, new.folder_id)
        row = Conversation(
            user_id=owner,
            folder_id=new.folder_id,
            title=new.title,
            model_id=new.model,
            system_prompt=new.system_prompt,
            is_pinned=new.pinned,
            is_archived=new.archived,
            created_at=now,
            updated_at=now,
            active_at=now,
        )
        work.session.add(row)
        work.invalidates(CONVERSATIONS.of(owner))
    return _dump(row)


def edit_conversation(
    owner: UserId, conversation_id: str, edit: ConversationEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Rename, file, pin or archive a conversation, or change its model or system prompt.

    Raises:
        NotFound: `owner` has no such conversation.
        Invalid: the folder is not one of `owner`'s.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = owned_conversation(work.session, owner, conversation_id, is_locked=True)
        check_precondition(if_match, _dump(row))
        _check_folder(work.session, owner, edit.changes.get("folder_id"))
        for name, value in edit.changes.items():
            setattr(row, name, value)
        row.updated_at = runtime().clock.now()
        work.invalidates(CONVERSATIONS.of(owner))
    return _dump(row)


def delete_conversation(
    owner: UserId, conversation_id: str, *, if_match: str | None = None
) -> None:
    """Delete a conversation with its messages; what it cost stays booked, what runs is stopped.

    Raises:
        NotFound: `owner` has no such conversation.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = owned_conversation(work.session, owner, conversation_id, is_locked=True)
        check_precondition(if_match, _dump(row))
        stop_within(work, owner, select(Conversation.id).where(Conversation.id == row.id))
        work.session.delete(row)
        work.invalidates(CONVERSATIONS.of(owner))


def owned_conversation(
    session: Session, owner: UserId, conversation_id: str, *, is_locked: bool = False
) -> Conversation:
    """A conversation's row, locked for the rest of the transaction if it is to be changed.

    Raises:
        NotFound: `owner` has no such conversation.
    """
    wanted = select(Conversation).where(
        Conversation.user_id == owner, Conversation.id == conversation_id
    )
    row = session.scalar(wanted.with_for_update() if is_locked else wanted)
    if row is None:
        raise NotFound.of("conversation", conversation_id)
    return row


def _dump(row: Conversation) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _check_folder(session: Session, owner: UserId, folder_id: str | None) -> None:
    if folder_id is None:
        return
    wanted = select(Folder.id).where(Folder.user_id == owner, Folder.id == folder_id)
    # As the reference will lock it: who deletes it at the same moment is waited for, and named.
    found = session.scalar(wanted.with_for_update(read=True, key_share=True))
    if found is None:
        raise Invalid.field("folder_id", f"There is no folder “{folder_id[:80]}”.")
