"""`/api/cache/namespaces`: what each promises and holds; clearing."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, returns
from blueprints.http.caching import uncached
from schemas.cache_admin import NamespaceSchema, NamespacesSchema
from services import cache_admin
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("cache_namespaces", "/api/cache/namespaces", "Namespaces of the cache.")


@routes.get("")
@uncached("live state of the cache itself")
@require("cache:read")
@returns(NamespacesSchema)
def list_namespaces(principal: Principal) -> Any:
    """List all namespaces."""
    del principal
    return NamespacesSchema().dump(cache_admin.list_namespaces())


@routes.get("/<namespace>")
@uncached("live state of the cache itself")
@require("cache:read")
@returns(NamespaceSchema)
def get_namespace(principal: Principal, namespace: str) -> Any:
    """Read one namespace."""
    del principal
    return NamespaceSchema().dump(cache_admin.get_namespace(namespace))


@routes.delete("/<namespace>")
@require("cache:write")
@returns(status=204)
def clear_namespace(principal: Principal, namespace: str) -> None:
    """Clear a namespace, at the cost of one write."""
    cache_admin.clear_namespace(principal, namespace)


@routes.delete("/<namespace>/scopes/<scope>")
@require("cache:write")
@returns(status=204)
def clear_scope(principal: Principal, namespace: str, scope: str) -> None:
    """Clear one owner's entries."""
    cache_admin.clear_scope(principal, namespace, scope)
