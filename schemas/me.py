"""The shape of what a caller learns about itself."""

from marshmallow import Schema, fields

from schemas.keys import KeySchema
from schemas.users import UserSchema
from schemas.workspaces import WorkspaceSchema

__all__ = ["MeSchema"]


class MeSchema(Schema):
    """The caller: user, key, what they may do, and where they belong."""

    user = fields.Nested(UserSchema, required=True)
    key = fields.Nested(KeySchema, required=True)
    role = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)
    workspaces = fields.List(fields.Nested(WorkspaceSchema), required=True)
