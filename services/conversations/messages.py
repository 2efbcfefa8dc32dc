"""Messages: a tree whose siblings are branches. Nothing said is ever overwritten."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cache.namespaces import CONVERSATIONS
from cache.results import encode_body
from cache.scopes import UserId
from database.session import read_session
from database.sizes import bytes_of
from database.tables.conversations import Message
from schemas.fields import one_line
from schemas.messages import MAX_MESSAGES, MessageEdit, MessageQuery, MessageSchema
from services.conversations.threads import get_conversation, owned_conversation
from services.errors import Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "add_answer",
    "add_question",
    "branch",
    "check_length",
    "edit_message",
    "finish_answer",
    "get_message",
    "list_messages",
]

LISTING = "messages"
TITLE_CHARS = 80
_ONE = MessageSchema()
_MANY = MessageSchema(many=True)


@CONVERSATIONS.read("messages")
def list_messages(owner: UserId, conversation_id: str, query: MessageQuery) -> dict[str, Any]:
    """One page of the whole tree, oldest first; each message names its parent.

    Raises:
        NotFound: `owner` has no such conversation.
    """
    get_conversation(owner, conversation_id)
    wanted = _of_conversation(owner, conversation_id).order_by(Message.id)
    if query.cursor is not None:
        (after,) = decode_cursor(LISTING, query.cursor, [str])
        wanted = wanted.where(Message.id > after)
    with read_session() as session:
        rows = session.scalars(wanted.limit(query.limit + 1)).all()
        return page_of(rows, query.limit, _dump, lambda row: encode_cursor(LISTING, [row.id]))


@CONVERSATIONS.read("messages")
def branch(owner: UserId, conversation_id: str, leaf_id: str | None) -> dict[str, Any]:
    """The messages from the root to `leaf_id`, by default to the latest leaf; never by pages.

    Raises:
        NotFound: `owner` has no such conversation, or it no such message.
    """
    get_conversation(owner, conversation_id)
    with read_session() as session:
        rows = session.execute(
            select(Message.id, Message.parent_id)
            .where(Message.user_id == owner, Message.conversation_id == conversation_id)
            .order_by(Message.id)
        ).all()
        path = _path({row.id: row.parent_id for row in rows}, leaf_id)
        found = session.scalars(select(Message).where(Message.id.in_(path))).all()
    by_id = {row.id: row for row in found}
    return {"items": _MANY.dump([by_id[each] for each in path]), "next_cursor": None}


@CONVERSATIONS.read("messages")
def get_message(owner: UserId, conversation_id: str, message_id: str) -> dict[str, Any]:
    """One message.

    Raises:
        NotFound: `owner` has no such message in this conversation.
    """
    with read_session() as session:
        return _dump(_owned(session, owner, conversation_id, message_id))


def edit_message(
    owner: UserId,
    conversation_id: str,
    message_id: str,
    edit: MessageEdit,
    *,
    if_match: str | None = None,
) -> dict[str, Any]:
    """Say a message anew: a sibling with the same parent and role.

    Raises:
        Invalid: it is longer than a message may be.
        NotFound: `owner` has no such message in this conversation.
        Conflict: it is an answer that is still being written, or the conversation is full.
        PreconditionFailed: `if_match` names another version.
    """
    check_length(edit.content)
    with unit_of_work() as work:
        thread = owned_conversation(work.session, owner, conversation_id, is_locked=True)
        before = _owned(work.session, owner, conversation_id, message_id)
        check_precondition(if_match, _dump(before))
        _check_room(work.session, conversation_id, len(edit.content.encode()))
        if before.status == "streaming":
            raise Conflict("This answer is still being written.", code="message_streaming")
        row = _new(
            owner,
            conversation_id,
            role=before.role,
            parent_id=before.parent_id,
            content=edit.content,
            file_ids=before.file_ids,
            status="complete",
        )
        work.session.add(row)
        thread.active_at = row.created_at
        work.invalidates(CONVERSATIONS.of(owner))
    return _dump(row)


def check_length(content: str) -> None:
    """Refuse what is longer than a message may be.

    Raises:
        Invalid: it is.
    """
    limit = runtime().settings.max_message_chars
    if len(content) > limit:
        raise Invalid.field("content", f"A message can have {limit} characters at most.")


def add_question(
    work: UnitOfWork, owner: UserId, conversation_id: str, *, parent_id: str | None, **said: Any
) -> Message:
    """Add what the user says, within `work`; an untitled conversation takes its title from it.

    Args:
        work: the transaction.
        owner: whose conversation it is.
        conversation_id: the conversation.
        parent_id: the message it follows; `None` begins a tree.
        said: `content`, `params`, `file_ids`.

    Raises:
        NotFound: `owner` has no such conversation.
        Invalid: the parent is not of this conversation.
        Conflict: the parent is still being written, or the conversation is full.
    """
    thread = owned_conversation(work.session, owner, conversation_id, is_locked=True)
    _check_parent(work.session, owner, conversation_id, parent_id)
    params = said.get("params")
    size = len(said["content"].encode()) + (len(encode_body(params)) if params else 0)
    _check_room(work.session, conversation_id, size)
    row = _new(owner, conversation_id, role="user", parent_id=parent_id, status="complete", **said)
    work.session.add(row)
    work.session.flush()  # the answer refers to it
    if not thread.title:
        thread.title = _title(row.content)
    thread.active_at = row.created_at
    work.invalidates(CONVERSATIONS.of(owner))
    return row


def add_answer(
    work: UnitOfWork, owner: UserId, conversation_id: str, *, parent_id: str, **about: Any
) -> Message:
    """Add an answer that is about to be written, within `work`.

    Args:
        work: the transaction.
        owner: whose conversation it is.
        conversation_id: the conversation.
        parent_id: the question.
        about: `model_id`, `stream_id`.

    Raises:
        NotFound: `owner` has no such conversation any more.
        Conflict: the conversation is full.
    """
    thread = owned_conversation(work.session, owner, conversation_id, is_locked=True)
    _check_room(work.session, conversation_id)
    row = _new(
        owner,
        conversation_id,
        role="assistant",
        parent_id=parent_id,
        content="",
        status="streaming",
        **about,
    )
    work.session.add(row)
    work.session.flush()  # the stream refers to it
    thread.active_at = row.created_at
    work.invalidates(CONVERSATIONS.of(owner))
    return row


def finish_answer(work: UnitOfWork, message_id: str, written: Mapping[str, Any]) -> None:
    """Fill in an answer within `work`; one deleted meanwhile stays deleted.

    Args:
        work: the transaction.
        message_id: the answer.
        written: its columns: `content`, `status`, `finish_reason`, usage and cost.
    """
    row = work.session.get(Message, message_id, with_for_update=True)
    if row is None:
        return
    for name, value in written.items():
        setattr(row, name, value)
    row.updated_at = runtime().clock.now()
    work.invalidates(CONVERSATIONS.of(UserId(row.user_id)))


def _dump(row: Message) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _new(owner: UserId, conversation_id: str, **columns: Any) -> Message:
    now = runtime().clock.now()
    return Message(
        user_id=owner, conversation_id=conversation_id, created_at=now, updated_at=now, **columns
    )


def _of_conversation(owner: UserId, conversation_id: str) -> Any:
    return select(Message).where(
        Message.user_id == owner, Message.conversation_id == conversation_id
    )


def _owned(session: Session, owner: UserId, conversation_id: str, message_id: str) -> Message:
    row = session.scalar(_of_conversation(owner, conversation_id).where(Message.id == message_id))
    if row is None:
        raise NotFound.of("message", message_id)
    found: Message = row
    return found


def _path(parents: dict[str, str | None], leaf_id: str | None) -> list[str]:
    """The ids from the root to the leaf; `parents` is in the order of creation."""
    if leaf_id is not None and leaf_id not in parents:
        raise NotFound.of("message", leaf_id)
    at = leaf_id
    if at is None:  # the last one made that nothing follows: two machines' clocks may differ
        followed = set(parents.values())
        at = next((each for each in reversed(parents) if each not in followed), None)
    path: list[str] = []
    while at is not None:
        path.append(at)
        at = parents.get(at)
    return path[::-1]


def _check_parent(
    session: Session, owner: UserId, conversation_id: str, parent_id: str | None
) -> None:
    if parent_id is None:
        return
    parent = session.scalar(_of_conversation(owner, conversation_id).where(Message.id == parent_id))
    if parent is None:
        raise Invalid.field("parent_id", f"There is no message “{parent_id[:80]}” here.")
    if parent.status == "streaming":
        raise Conflict("The answer above is still being written.", code="message_streaming")


def _check_room(session: Session, conversation_id: str, more_bytes: int = 0) -> None:
    size = bytes_of(session, Message.content, Message.reasoning, Message.tool_calls, Message.params)
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(size), 0)).where(
            Message.conversation_id == conversation_id
        )
    ).one()
    limit = runtime().settings.max_conversation_bytes
    for is_full, most in (
        (count >= MAX_MESSAGES, f"{MAX_MESSAGES} messages"),
        (total + more_bytes > limit, f"{limit} bytes of text, answers included,"),
    ):
        if is_full:
            sentence = f"A conversation can have {most} at most: begin another one."
            raise Conflict(sentence, code="conversation_full")


def _title(content: str) -> str:
    """The first words of a message, cut at a word's end; of control characters none."""
    line = " ".join(content.split())
    if len(line) > TITLE_CHARS:
        cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
        line = f"{cut}…"
    return one_line(line).strip()
