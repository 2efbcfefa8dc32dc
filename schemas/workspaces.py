"""The shapes of workspaces and their members."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.fields import Id, Name, StrictSchema, UtcTime
from schemas.page import PageQuerySchema, page_schema
from schemas.users import ROLES, Email

__all__ = [
    "MemberPatchSchema",
    "MemberSchema",
    "MemberWriteSchema",
    "MembersSchema",
    "NewMember",
    "WorkspaceQuery",
    "WorkspaceQuerySchema",
    "WorkspaceSchema",
    "WorkspaceWriteSchema",
    "WorkspacesSchema",
]

MAX_NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class NewMember:
    """Who is to belong to a workspace, by id or e-mail address, and as what."""

    role: str
    user_id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class WorkspaceQuery:
    """Which workspaces are asked for: the caller's, or all of the installation."""

    limit: int
    cursor: str | None = None
    everyones: bool = False


class WorkspaceSchema(Schema):
    """A workspace as one of its members reads it."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    role = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The caller's role in it; null for an administrator outside."},
    )
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)


WorkspacesSchema = page_schema(WorkspaceSchema)


class WorkspaceQuerySchema(PageQuerySchema):
    """Whose workspaces are listed."""

    everyones = fields.Boolean(
        data_key="all",
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "Those of everyone; needs `workspaces:write_all`."},
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> WorkspaceQuery:
        """The loaded fields as one value."""
        return WorkspaceQuery(**loaded)


class WorkspaceWriteSchema(StrictSchema):
    """A new workspace, or a workspace's new name."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS, required=True)


class MemberSchema(Schema):
    """Who belongs to a workspace, and as what."""

    user_id = fields.String(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    joined_at = UtcTime(required=True)


MembersSchema = page_schema(MemberSchema)


class MemberWriteSchema(StrictSchema):
    """A new member, named by `user_id` or by `email`."""

    user_id = Id()
    email = Email()
    role = fields.String(validate=validate.OneOf(ROLES), load_default="member")

    @validates_schema
    def check_named_once(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse nobody, and two at once."""
        if ("user_id" in loaded) == ("email" in loaded):
            raise ValidationError("Name the user by `user_id` or by `email`.", "user_id")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewMember:
        """The loaded fields as one value."""
        return NewMember(**loaded)


class MemberPatchSchema(StrictSchema):
    """A member's new role."""

    role = fields.String(validate=validate.OneOf(ROLES), required=True)
