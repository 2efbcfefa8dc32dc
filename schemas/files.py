"""The shapes of files."""

from dataclasses import dataclass, field

from marshmallow import Schema, fields

from schemas.fields import StrictSchema, UtcTime
from schemas.page import page_schema

__all__ = ["FileSchema", "FileUploadSchema", "FilesSchema", "NewFile"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be kept."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class FileSchema(Schema):
    """A file as it is read: everything but its content."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    media_type = fields.String(required=True)
    size_bytes = fields.Integer(required=True)
    sha256 = fields.String(required=True)
    created_at = UtcTime(required=True)


FilesSchema = page_schema(FileSchema)


class FileUploadSchema(StrictSchema):
    """A form with one part."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})
