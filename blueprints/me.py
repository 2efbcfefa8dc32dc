"""`/api/me`: what a caller learns about itself."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, returns
from blueprints.http.caching import cached_response
from cache.results import CachedResult
from schemas.me import MeSchema
from services import users
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("me", "/api/me", "The caller itself.")


@routes.get("")
@require("me:read")
@returns(MeSchema)
@cached_response
def get_me(principal: Principal) -> CachedResult[dict[str, Any]]:
    """Show the caller's user, key, permissions and workspaces."""
    return users.get_me(principal)
