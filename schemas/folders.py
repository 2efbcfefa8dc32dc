"""The shapes of folders."""

from dataclasses import dataclass

from marshmallow import Schema, fields, post_load, validate

from schemas.fields import Id, Name, StrictSchema, UtcTime
from schemas.page import page_schema

__all__ = [
    "FolderDeleteQuerySchema",
    "FolderEdit",
    "FolderPageSchema",
    "FolderPatchSchema",
    "FolderSchema",
    "FolderWriteSchema",
    "NewFolder",
]

MAX_NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class NewFolder:
    """A folder to be made."""

    name: str
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class FolderEdit:
    """What is to change; `changes` holds the named fields only."""

    changes: dict[str, str | None]


class FolderSchema(Schema):
    """A folder as it is read."""

    id = fields.String(required=True)
    parent_id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True)
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)


FolderPageSchema = page_schema(FolderSchema)


class FolderWriteSchema(StrictSchema):
    """A new folder."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS, required=True)
    parent_id = Id(load_default=None, allow_none=True)

    @post_load
    def make(self, loaded: dict[str, str], **_: object) -> NewFolder:
        """The loaded fields as one value."""
        return NewFolder(**loaded)


class FolderPatchSchema(StrictSchema):
    """A change of a folder: what is left out stays."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS)
    parent_id = Id(allow_none=True)

    @post_load
    def make(self, loaded: dict[str, str | None], **_: object) -> FolderEdit:
        """The loaded fields as one value."""
        return FolderEdit(changes=dict(loaded))


class FolderDeleteQuerySchema(StrictSchema):
    """What happens to what is inside."""

    contents = fields.String(validate=validate.OneOf(["unfile", "delete"]), load_default="unfile")
