"""The shapes of users."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from schemas.fields import Flag, Name, StrictSchema, Text, UtcTime
from schemas.page import PageQuerySchema, page_schema

__all__ = [
    "ROLES",
    "Email",
    "NewUser",
    "UserEdit",
    "UserPatchSchema",
    "UserQuery",
    "UserQuerySchema",
    "UserSchema",
    "UserWriteSchema",
    "UsersSchema",
]

ROLES = ("owner", "admin", "member", "viewer")
MAX_NAME_CHARS = 200
MAX_EMAIL_CHARS = 320


class Email(Text):
    """An e-mail address, in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_chars=MAX_EMAIL_CHARS, validate=validate.Email(), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).strip().lower()


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made."""

    name: str
    email: str | None = None
    role: str = "member"


@dataclass(frozen=True, slots=True)
class UserEdit:
    """What is to change; `changes` holds the named fields only."""

    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Which users are asked for."""

    limit: int
    cursor: str | None = None
    role: str | None = None
    is_active: bool | None = None
    email: str | None = None


class UserSchema(Schema):
    """A user as it is read."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    is_active = fields.Boolean(required=True)
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)


UsersSchema = page_schema(UserSchema)


class UserQuerySchema(PageQuerySchema):
    """What narrows the list down."""

    role = fields.String(validate=validate.OneOf(ROLES), load_default=None)
    is_active = fields.Boolean(truthy={"true"}, falsy={"false"}, load_default=None)
    email = Email(load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> UserQuery:
        """The loaded fields as one value."""
        return UserQuery(**loaded)


class UserWriteSchema(StrictSchema):
    """A new user."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS, required=True)
    email = Email(load_default=None, allow_none=True)
    role = fields.String(validate=validate.OneOf(ROLES), load_default="member")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewUser:
        """The loaded fields as one value."""
        return NewUser(**loaded)


class UserPatchSchema(StrictSchema):
    """A change of a user: what is left out stays."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS)
    email = Email(allow_none=True)
    role = fields.String(validate=validate.OneOf(ROLES))
    is_active = Flag()

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> UserEdit:
        """The loaded fields as one value."""
        return UserEdit(changes=dict(loaded))
