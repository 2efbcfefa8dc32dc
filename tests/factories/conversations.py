"""Conversations with messages."""

from collections.abc import Sequence
from typing import Any

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.tables.conversations import Conversation, Message
from services.runtime import runtime
from services.unit_of_work import unit_of_work

__all__ = ["make_conversation", "make_message"]


def make_conversation(user_id: str, title: str, contents: Sequence[str], **columns: Any) -> str:
    """A conversation in which `contents` were said, each after the other; its id."""
    now = runtime().clock.now()
    with unit_of_work() as work:
        thread = Conversation(
            user_id=user_id,
            title=title,
            **{"created_at": now, "updated_at": now, "active_at": now, **columns},
        )
        work.session.add(thread)
        work.invalidates(CONVERSATIONS.of(UserId(user_id)))
    above = None
    with unit_of_work() as work:
        for content in contents:
            row = make_message(user_id, thread.id, content, parent_id=above)
            work.session.add(row)
            work.session.flush()
            above = row.id
        work.invalidates(CONVERSATIONS.of(UserId(user_id)))
    return thread.id


def make_message(user_id: str, conversation_id: str, content: str, **columns: Any) -> Message:
    """A message, not stored yet: a finished one of the user, if not said otherwise."""
    now = runtime().clock.now()
    usual = {"role": "user", "status": "complete", "created_at": now, "updated_at": now}
    return Message(
        user_id=user_id,
        conversation_id=conversation_id,
        content=content,
        **{**usual, **columns},
    )
