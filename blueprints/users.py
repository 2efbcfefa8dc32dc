"""`/api/users`: who may come in, and what they may do."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.users import (
    NewUser,
    UserEdit,
    UserPatchSchema,
    UserQuery,
    UserQuerySchema,
    UserSchema,
    UsersSchema,
    UserWriteSchema,
)
from services import users
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("users", "/api/users", "Users and their roles.")


@routes.get("")
@require("users:read")
@query(UserQuerySchema)
@returns(UsersSchema)
@cached_response
def list_users(principal: Principal, asked: UserQuery) -> CachedResult[dict[str, Any]]:
    """List users."""
    del principal  # whoever may read users reads all of them
    return users.list_users(asked)


@routes.post("")
@require("users:write")
@idempotent()
@body(UserWriteSchema)
@returns(UserSchema, 201)
def create_user(principal: Principal, new: NewUser) -> dict[str, Any]:
    """Make a user; a key for them is made at `/api/keys`."""
    return users.create_user(principal, new)


@routes.get("/<user_id>")
@require("users:read")
@returns(UserSchema)
@cached_response
def get_user(principal: Principal, user_id: str) -> CachedResult[dict[str, Any]]:
    """Show a user."""
    del principal  # whoever may read users reads all of them
    return users.get_user(user_id)


@routes.patch("/<user_id>")
@require("users:write")
@body(UserPatchSchema)
@returns(UserSchema)
@takes(IF_MATCH)
def edit_user(
    principal: Principal, edit: UserEdit, user_id: str, if_match: str | None
) -> dict[str, Any]:
    """Change a user; a role or deactivation holds from the next request on."""
    return users.edit_user(principal, user_id, edit, if_match=if_match)
