"""`/api/costs/usage` and `/api/costs/daily`: what was used and spent."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, query, returns
from blueprints.http.caching import cached_response
from cache.results import CachedResult
from schemas.costs_usage import (
    DailyQuery,
    DailyQuerySchema,
    DailySchema,
    UsageQuery,
    UsageQuerySchema,
    UsageSchema,
)
from services.costs import usage
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("usage", "/api/costs", "What was used and spent.")


@routes.get("/usage")
@require("costs:read")
@query(UsageQuerySchema)
@returns(UsageSchema)
@cached_response
def get_usage(principal: Principal, asked: UsageQuery) -> CachedResult[dict[str, Any]]:
    """Add up usage by model, provider, user, workspace, key or day."""
    return usage.get_usage(principal, asked)


@routes.get("/daily")
@require("costs:read")
@query(DailyQuerySchema)
@returns(DailySchema)
@cached_response
def get_daily(principal: Principal, asked: DailyQuery) -> CachedResult[dict[str, Any]]:
    """Add up usage day by day."""
    return usage.get_daily(principal, asked)
