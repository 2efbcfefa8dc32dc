"""`/api/cache/namespaces/{ns}/keys`: entries one by one."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import uncached
from schemas.cache_admin import (
    EntrySchema,
    EntryWrite,
    EntryWriteSchema,
    KeyQuery,
    KeyQuerySchema,
    KeysSchema,
    ScopeQuerySchema,
)
from services import cache_admin
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("cache_keys", "/api/cache/namespaces", "Entries of the cache.")


@routes.get("/<namespace>/keys")
@uncached("live state of the cache itself")
@require("cache:read")
@query(KeyQuerySchema)
@returns(KeysSchema)
def list_keys(principal: Principal, asked: KeyQuery, namespace: str) -> dict[str, Any]:
    """List keys, without blocking Redis."""
    del principal
    return cache_admin.list_keys(namespace, asked)


@routes.get("/<namespace>/keys/<path:key>")
@uncached("live state of the cache itself")
@require("cache:write")
@query(ScopeQuerySchema)
@returns(EntrySchema)
def get_entry(principal: Principal, asked: dict[str, Any], namespace: str, key: str) -> Any:
    """Read one entry with its value."""
    del principal
    return EntrySchema().dump(cache_admin.get_entry(namespace, key, asked["scope"]))


@routes.put("/<namespace>/keys/<path:key>")
@require("cache:write")
@query(ScopeQuerySchema)
@body(EntryWriteSchema)
@returns(EntrySchema)
def put_entry(
    principal: Principal, asked: dict[str, Any], write: EntryWrite, namespace: str, key: str
) -> Any:
    """Set one entry by hand."""
    entry = cache_admin.put_entry(principal, namespace, key, asked["scope"], write)
    return EntrySchema().dump(entry)


@routes.delete("/<namespace>/keys/<path:key>")
@require("cache:write")
@query(ScopeQuerySchema)
@returns(status=204)
def delete_entry(principal: Principal, asked: dict[str, Any], namespace: str, key: str) -> None:
    """Drop one entry."""
    cache_admin.delete_entry(principal, namespace, key, asked["scope"])
