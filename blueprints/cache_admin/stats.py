"""`/api/cache/stats` and `/api/cache/health`."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, returns
from blueprints.http.caching import uncached
from blueprints.http.idempotency import repeatable
from schemas.cache_admin import HealthSchema, StatsSchema
from services import cache_admin, cache_statistics
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("cache_stats", "/api/cache", "What the cache did and how it stands.")


@routes.get("/stats")
@uncached("live figures of the cache itself")
@require("cache:read")
@returns(StatsSchema)
def read_stats(principal: Principal) -> Any:
    """Read the figures over all workers."""
    del principal
    return StatsSchema().dump(cache_statistics.read_statistics())


@routes.post("/stats/reset")
@require("cache:write")
@repeatable("zero stays zero")
@returns(status=204)
def reset_stats(principal: Principal) -> None:
    """Begin to count anew."""
    cache_statistics.reset_statistics(principal)


@routes.get("/health")
@uncached("live state of the cache itself")
@require("cache:read")
@returns(HealthSchema)
def read_health(principal: Principal) -> Any:
    """Read the state of the worker that answers."""
    del principal
    return HealthSchema().dump(cache_admin.read_health())
