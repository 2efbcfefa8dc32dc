"""Files of a message as providers read them: images inline, text as text, drawings (SVG) too.

A file that is neither is named in words, so that the model knows of it and nobody is misled.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from cache.scopes import UserId
from database.session import read_session
from database.tables.platform import StoredFile
from services import files
from services.errors import Invalid, NotFound

__all__ = ["check_files", "parts"]

MAX_TEXT_BYTES = 256 * 1024
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
    if file.media_type.startswith("text/") or file.media_type in TEXTS:
        return {"type": "text", "text": f"File {file.name}{_text(file.content)}"}
    return {"type": "text", "text": f"(A file {file.name} of type {file.media_type}, not shown.)"}


def _text(content: bytes) -> str:
    """A text behind its file's name, with a word where it is cut."""
    text = content[:MAX_TEXT_BYTES].decode(errors="replace")
    cut = f" (its first {MAX_TEXT_BYTES} of {len(content)} bytes)"
    return f"{cut if len(content) > MAX_TEXT_BYTES else ''}:\n{text}"
