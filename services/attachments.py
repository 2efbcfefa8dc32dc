"""Files of a message as providers read them: images inline, text as text.

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
from services.errors import Invalid

__all__ = ["parts"]

MAX_TEXT_BYTES = 256 * 1024


def parts(owner: UserId, file_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The content parts of `file_ids`, in their order, in OpenAI's shape.

    Raises:
        Invalid: `owner` has no such file.
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
    missing = [each for each in file_ids if each not in found]
    if missing:
        raise Invalid.field("file_ids", f"There is no file “{missing[0][:80]}”.")
    return [_part(found[each]) for each in file_ids]


def _part(file: StoredFile) -> dict[str, Any]:
    if file.media_type.startswith("image/"):
        encoded = b64encode(file.content).decode()
        return {
            "type": "image_url",
            "image_url": {"url": f"data:{file.media_type};base64,{encoded}"},
        }
    if file.media_type.startswith("text/") or file.media_type == "application/json":
        text = file.content[:MAX_TEXT_BYTES].decode(errors="replace")
        return {"type": "text", "text": f"File {file.name}:\n{text}"}
    return {"type": "text", "text": f"(A file {file.name} of type {file.media_type}, not shown.)"}
