"""`/api/conversations/search`: full text over titles and messages."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, query, returns
from blueprints.http.caching import cached_response
from cache.results import CachedResult
from schemas.search import FoundPageSchema, SearchQuery, SearchQuerySchema
from services.conversations import search
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("search", "/api/conversations", "Searching conversations.")


@routes.get("/search")
@require("conversations:read")
@query(SearchQuerySchema)
@returns(FoundPageSchema)
@cached_response
def search_conversations(principal: Principal, asked: SearchQuery) -> CachedResult[dict[str, Any]]:
    """Find conversations by what was said in them."""
    return search.search_conversations(principal.user_id, asked)
