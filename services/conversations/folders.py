"""Folders: one user's tree, read in pages through the cache."""

from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Conversation, Folder
from schemas.folders import FolderEdit, FolderSchema, NewFolder
from schemas.page import DEFAULT_LIMIT
from services.errors import Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.runtime import runtime
from services.stream_rows import stop_within
from services.unit_of_work import unit_of_work

__all__ = ["create_folder", "delete_folder", "edit_folder", "list_folders"]

LISTING = "folders"
MAX_FOLDERS = 1000
_ONE = FolderSchema()


@CONVERSATIONS.read("folders")
def list_folders(
    owner: UserId, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> dict[str, Any]:
    """One page of the folders of `owner`, by name."""
    wanted = select(Folder).where(Folder.user_id == owner)
    if cursor is not None:
        name, folder_id = decode_cursor(LISTING, cursor, (str, str))
        further = and_(Folder.name == name, Folder.id > folder_id)
        wanted = wanted.where(or_(Folder.name > name, further))
    with read_session() as session:
        rows = session.scalars(wanted.order_by(Folder.name, Folder.id).limit(limit + 1)).all()
        return page_of(rows, limit, _dump, lambda row: encode_cursor(LISTING, [row.name, row.id]))


def create_folder(owner: UserId, new: NewFolder) -> dict[str, Any]:
    """Make a folder.

    Returns:
        The folder as it is read.

    Raises:
        Invalid: the parent is not a folder of `owner`.
        Conflict: the owner has as many folders as there may be.
    """
    now = runtime().clock.now()
    with unit_of_work() as work:
        count = work.session.scalar(
            select(func.count()).select_from(Folder).where(Folder.user_id == owner)
        )
        if (count or 0) >= MAX_FOLDERS:
            raise Conflict(f"There can be {MAX_FOLDERS} folders at most.", code="too_many_folders")
        _check_parent(work.session, owner, new.parent_id)
        row = Folder(
            user_id=owner,
            name=new.name,
            parent_id=new.parent_id,
            created_at=now,
            updated_at=now,
        )
        work.session.add(row)
        work.invalidates(CONVERSATIONS.of(owner))
    return _dump(row)


def edit_folder(
    owner: UserId, folder_id: str, edit: FolderEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Rename or move a folder.

    Raises:
        NotFound: `owner` has no such folder.
        Invalid: it would be moved under itself or to a folder that is not there.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        if "parent_id" in edit.changes:
            _lock_tree(work.session, owner)
        row = _owned(work.session, owner, folder_id)
        check_precondition(if_match, _dump(row))
        if "parent_id" in edit.changes:
            parent_id = edit.changes["parent_id"]
            _check_parent(work.session, owner, parent_id)
            _check_no_cycle(work.session, owner, folder_id, parent_id)
        for name, value in edit.changes.items():
            setattr(row, name, value)
        row.updated_at = runtime().clock.now()
        work.invalidates(CONVERSATIONS.of(owner))
    return _dump(row)


def delete_folder(
    owner: UserId, folder_id: str, *, contents: str, if_match: str | None = None
) -> None:
    """Delete a folder with the folders inside.

    Args:
        owner: whose folder it is.
        folder_id: the folder.
        contents: `unfile` keeps the conversations inside, without a folder; `delete` deletes them.
        if_match: the version the caller saw.

    Raises:
        NotFound: `owner` has no such folder.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        _lock_tree(work.session, owner)
        row = _owned(work.session, owner, folder_id)
        check_precondition(if_match, _dump(row))
        inside = Conversation.folder_id.in_(_subtree(work.session, owner, folder_id))
        _lock_conversations(work.session, inside)
        if contents == "delete":
            stop_within(work, owner, select(Conversation.id).where(inside))
            work.session.execute(delete(Conversation).where(inside))
        work.session.delete(row)
        work.invalidates(CONVERSATIONS.of(owner))


def _dump(row: Folder) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _owned(session: Session, owner: UserId, folder_id: str) -> Folder:
    """The row, locked as `_lock_tree` does."""
    row = session.scalar(
        select(Folder)
        .where(Folder.user_id == owner, Folder.id == folder_id)
        .with_for_update(key_share=True)
    )
    if row is None:
        raise NotFound.of("folder", folder_id)
    return row


def _lock_tree(session: Session, owner: UserId) -> None:
    """Have moves follow one another: two at once, each fine by itself, could close a circle.

    Whoever writes a conversation has it before its folder, which PostgreSQL keeps from being
    deleted meanwhile: this lock lets that pass, or the two would wait for each other.
    """
    session.execute(
        select(Folder.id)
        .where(Folder.user_id == owner)
        .order_by(Folder.id)
        .with_for_update(key_share=True)
    )


def _lock_conversations(session: Session, inside: ColumnElement[bool]) -> None:
    """Have conversations before their folders, and wait for questions that are being stored."""
    session.execute(
        select(Conversation.id).where(inside).order_by(Conversation.id).with_for_update()
    )


def _check_parent(session: Session, owner: UserId, parent_id: str | None) -> None:
    if parent_id is None:
        return
    try:
        _owned(session, owner, parent_id)
    except NotFound as fault:
        raise Invalid.field("parent_id", fault.detail) from fault


def _parents(session: Session, owner: UserId) -> dict[str, str | None]:
    rows = session.execute(select(Folder.id, Folder.parent_id).where(Folder.user_id == owner))
    return {row.id: row.parent_id for row in rows}


def _check_no_cycle(session: Session, owner: UserId, folder_id: str, parent_id: str | None) -> None:
    parents = _parents(session, owner)
    above = parent_id
    while above is not None:
        if above == folder_id:
            raise Invalid.field("parent_id", "A folder cannot be inside itself.", code="cycle")
        above = parents.get(above)


def _subtree(session: Session, owner: UserId, folder_id: str) -> list[str]:
    """The folder and all inside it."""
    children: dict[str | None, list[str]] = {}
    for child, parent in _parents(session, owner).items():
        children.setdefault(parent, []).append(child)
    found = [folder_id]
    for each in found:
        found.extend(children.get(each, []))
    return found
