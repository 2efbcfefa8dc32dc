"""Files of a message as providers read them: images inline, text as text, drawings (SVG) too.

A file that is neither is named in words, so that the model knows of it and nobody is misled.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from cache.scopes import UserId
from database.session import read_session
from database.tables.platform import StoredFile
from services import files
from services.errors import Invalid, NotFound, TooLarge
from services.runtime import runtime

__all__ = ["check_files", "check_size", "parts"]

MAX_TEXT_BYTES = 256 * 1024
MAX_PROMPT_BYTES = 50 * 2**20
"""Of all files in one prompt; providers take less than that."""
NAMED_BYTES = 300
"""What a file takes that is only named."""
ASKED_AT_ONCE = 500
IMAGES = {each: each for each in ("image/png", "image/jpeg", "image/gif", "image/webp")}
IMAGES["image/jpg"] = "image/jpeg"
"""What providers take, and how they name it. Another one would be refused, and with it each later
question of the conversation."""
TEXTS = frozenset({"application/json", "image/svg+xml"})
DELETED = {"type": "text", "text": "(A file that was deleted since.)"}


def check_files(owner: UserId, file_ids: Sequence[str]) -> None:
    """Refuse files that are not there to be attached.

    Raises:
        Invalid: `owner` has no such file.
    """
    for file_id in file_ids:
        try:
            files.get_file(owner, file_id)
        except NotFound as fault:
            raise Invalid.field("file_ids", fault.detail) from fault


def check_size(owner: UserId, file_ids: Iterable[str]) -> None:
    """Refuse a prompt whose files are more than a worker should hold, before one of them is read.

    A file counts as often as it is named, for so often it is sent.

    Raises:
        TooLarge: they are.
    """
    named = Counter(file_ids)
    if not named:
        return
    limit = max(MAX_PROMPT_BYTES, runtime().settings.max_file_bytes)
    if NAMED_BYTES * named.total() + _beyond_names(owner, named) > limit:
        sentence = f"The files of a question and of what led to it can have {limit} bytes at most."
        raise TooLarge(sentence, code="files_too_large")


def _beyond_names(owner: UserId, named: Mapping[str, int]) -> int:
    """What files take in bytes, beyond what they would if they were only named."""
    wanted = select(StoredFile.id, StoredFile.media_type, StoredFile.size_bytes)
    ids, total = list(named), 0
    with read_session() as session:
        for first in range(0, len(ids), ASKED_AT_ONCE):
            some = StoredFile.id.in_(ids[first : first + ASKED_AT_ONCE])
            for row in session.execute(wanted.where(StoredFile.user_id == owner, some)):
                shown = _shown_bytes(row.media_type, row.size_bytes)
                total += named[row.id] * max(0, shown - NAMED_BYTES)
    return total


def parts(owner: UserId, file_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The content parts of `file_ids`, in their order, in OpenAI's shape.

    A file that was deleted since is named as such: a conversation outlives its files.
    """
    if not file_ids:
        return []
    with read_session() as session:
        rows = session.scalars(
            select(StoredFile)
            .where(StoredFile.user_id == owner, StoredFile.id.in_(file_ids))
            .options(undefer(StoredFile.content))
        ).all()
    found = {row.id: row for row in rows}
    return [_part(found[each]) if each in found else dict(DELETED) for each in file_ids]


def _part(file: StoredFile) -> dict[str, Any]:
    if file.media_type in IMAGES:
        encoded = b64encode(file.content).decode()
        return {
            "type": "image_url",
            "image_url": {"url": f"data:{IMAGES[file.media_type]};base64,{encoded}"},
        }
    if _is_text(file.media_type):
        return {"type": "text", "text": f"File {file.name}{_text(file.content)}"}
    return {"type": "text", "text": f"(A file {file.name} of type {file.media_type}, not shown.)"}


def _shown_bytes(media_type: str, size: int) -> int:
    """How much of a file is read into a prompt."""
    if media_type in IMAGES:
        return size
    return min(size, MAX_TEXT_BYTES) if _is_text(media_type) else 0


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in TEXTS


def _text(content: bytes) -> str:
    """A text behind its file's name, with a word where it is cut."""
    text = content[:MAX_TEXT_BYTES].decode(errors="replace")
    cut = f" (its first {MAX_TEXT_BYTES} of {len(content)} bytes)"
    return f"{cut if len(content) > MAX_TEXT_BYTES else ''}:\n{text}"
