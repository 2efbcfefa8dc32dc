"""`/api/keys`: API keys, whose secret is shown once."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.keys import (
    CreatedKeySchema,
    KeyEdit,
    KeyPatchSchema,
    KeyQuery,
    KeyQuerySchema,
    KeySchema,
    KeysSchema,
    KeyWriteSchema,
    NewKey,
)
from services import keys
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("keys", "/api/keys", "API keys.")


@routes.get("")
@require("keys:read")
@query(KeyQuerySchema)
@returns(KeysSchema)
@cached_response
def list_keys(principal: Principal, asked: KeyQuery) -> CachedResult[dict[str, Any]]:
    """List the caller's keys, or, with `user_id`, another's."""
    return keys.list_keys(principal, asked)


@routes.post("")
@require("keys:write")
@idempotent()
@body(KeyWriteSchema)
@returns(CreatedKeySchema, 201)
def create_key(principal: Principal, new: NewKey) -> dict[str, Any]:
    """Make a key; its secret is in this answer only."""
    return keys.create_key(principal, new)


@routes.patch("/<key_id>")
@require("keys:write")
@body(KeyPatchSchema)
@returns(KeySchema)
@takes(IF_MATCH)
def edit_key(
    principal: Principal, edit: KeyEdit, key_id: str, if_match: str | None
) -> dict[str, Any]:
    """Change a key's name, scopes, expiry or limits."""
    return keys.edit_key(principal, key_id, edit, if_match=if_match)


@routes.delete("/<key_id>")
@require("keys:write")
@returns(status=204)
@takes(IF_MATCH)
def revoke_key(principal: Principal, key_id: str, if_match: str | None) -> None:
    """Revoke a key: it holds on every worker from the next request on."""
    keys.revoke_key(principal, key_id, if_match=if_match)
