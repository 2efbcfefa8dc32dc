"""Files: one user's, kept in the database so that every worker and machine has them."""

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from cache.namespaces import FILES
from cache.results import CachedResult
from cache.scopes import UserId
from database.session import read_session
from database.tables.platform import StoredFile
from database.tables.users import User
from schemas.files import FileSchema, NewFile
from services.errors import Conflict, NotFound, TooLarge
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.runtime import runtime
from services.unit_of_work import unit_of_work

__all__ = [
    "FileContent",
    "create_file",
    "delete_file",
    "get_file",
    "list_files",
    "max_upload_bytes",
    "read_content",
]

LISTING = "files"
MAX_FILES = 1000
MAX_TOTAL_BYTES = 2**30
MAX_NAME_CHARS = 255
FORM_BYTES = 64 * 1024
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,58}/[a-z0-9][a-z0-9!#$&^_.+-]{0,58}")
UNKNOWN_TYPE = "application/octet-stream"
_ONE = FileSchema()


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file with what is in it."""

    name: str
    media_type: str
    sha256: str
    content: bytes = field(repr=False)


def max_upload_bytes() -> int:
    """The largest form that can hold a file which may be kept, in bytes."""
    return runtime().settings.max_file_bytes + FORM_BYTES


def list_files(owner: UserId, *, limit: int, cursor: str | None) -> CachedResult[dict[str, Any]]:
    """A page of the files of `owner`, the newest first.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    return load_files(owner, limit, cursor)


@FILES.read("list")
def load_files(owner: UserId, limit: int, cursor: str | None) -> dict[str, Any]:
    """The page itself, from the table."""
    statement = select(StoredFile).where(StoredFile.user_id == owner).order_by(StoredFile.id.desc())
    if cursor:
        statement = statement.where(StoredFile.id < decode_cursor(LISTING, cursor, (str,))[0])
    with read_session() as session:
        rows = session.scalars(statement.limit(limit + 1)).all()
        return page_of(rows, limit, _dump, lambda row: encode_cursor(LISTING, (row.id,)))


@FILES.read("detail")
def get_file(owner: UserId, file_id: str) -> dict[str, Any]:
    """One file of `owner`, without its content.

    Raises:
        NotFound: `owner` has no such file.
    """
    with read_session() as session:
        return _dump(_owned(session, owner, file_id))


def read_content(owner: UserId, file_id: str) -> FileContent:
    """One file of `owner` with its content.

    Raises:
        NotFound: `owner` has no such file.
    """
    with read_session() as session:
        row = _owned(session, owner, file_id, with_content=True)
        return FileContent(row.name, row.media_type, row.sha256, row.content)


def create_file(owner: UserId, new: NewFile) -> dict[str, Any]:
    """Keep a file. Its name loses folders and control characters; a made-up type counts as none.

    Raises:
        TooLarge: it is larger than a file may be.
        Conflict: the owner has as many files, or as much in them, as there may be.
    """
    limit = runtime().settings.max_file_bytes
    if len(new.content) > limit:
        raise TooLarge(f"A file can have {limit} bytes at most.", code="file_too_large")
    with unit_of_work() as work:
        _check_room(work.session, owner, len(new.content))
        row = StoredFile(
            user_id=owner,
            name=_clean_name(new.name),
            media_type=new.media_type if MEDIA_TYPE.fullmatch(new.media_type) else UNKNOWN_TYPE,
            size_bytes=len(new.content),
            sha256=sha256(new.content).hexdigest(),
            content=new.content,
            created_at=runtime().clock.now(),
        )
        work.session.add(row)
        work.invalidates(FILES.of(owner))
    return _dump(row)


def delete_file(owner: UserId, file_id: str, *, if_match: str | None = None) -> None:
    """Delete a file; messages that had it say that it is gone.

    Raises:
        NotFound: `owner` has no such file.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = _owned(work.session, owner, file_id)
        check_precondition(if_match, _dump(row))
        work.session.delete(row)
        work.invalidates(FILES.of(owner))


def _dump(row: StoredFile) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _owned(
    session: Session, owner: UserId, file_id: str, *, with_content: bool = False
) -> StoredFile:
    statement = select(StoredFile).where(StoredFile.user_id == owner, StoredFile.id == file_id)
    if with_content:
        statement = statement.options(undefer(StoredFile.content))
    row = session.scalar(statement)
    if row is None:
        raise NotFound.of("file", file_id)
    return row


def _check_room(session: Session, owner: UserId, more_bytes: int) -> None:
    """The user's row is locked, so that files sent at once are counted one after the other."""
    session.scalar(select(User.id).where(User.id == owner).with_for_update(key_share=True))
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(StoredFile.size_bytes), 0)).where(
            StoredFile.user_id == owner
        )
    ).one()
    if count >= MAX_FILES:
        raise Conflict(f"There can be {MAX_FILES} files at most.", code="too_many_files")
    if total + more_bytes > MAX_TOTAL_BYTES:
        sentence = f"All files together can have {MAX_TOTAL_BYTES} bytes at most."
        raise Conflict(sentence, code="storage_full")


def _clean_name(name: str) -> str:
    """The last part of a path, without characters that no file system shows."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return shown[:MAX_NAME_CHARS] if shown.strip(".") else "file"
