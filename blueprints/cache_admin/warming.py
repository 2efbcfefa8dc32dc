"""`/api/cache/warm`: strategies, jobs."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, json_response, returns
from blueprints.http.caching import uncached
from blueprints.http.idempotency import idempotent
from schemas.cache_admin import WarmJobSchema, WarmRequestSchema, WarmStrategiesSchema
from services import warming
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("cache_warming", "/api/cache/warm", "Warming of the cache.")


@routes.get("")
@uncached("live state of the cache itself")
@require("cache:read")
@returns(WarmStrategiesSchema)
def list_strategies(principal: Principal) -> Any:
    """List the strategies and their last runs."""
    del principal
    return WarmStrategiesSchema().dump(warming.list_strategies())


@routes.post("")
@require("cache:write")
@idempotent()
@body(WarmRequestSchema, required=False)
@returns(WarmJobSchema, 202)
def start_job(principal: Principal, asked: dict[str, Any]) -> Any:
    """Run strategies in the background."""
    del principal
    return json_response(WarmJobSchema().dump(warming.start_job(asked["strategies"])), 202)


@routes.get("/<job_id>")
@uncached("live state of the cache itself")
@require("cache:read")
@returns(WarmJobSchema)
def get_job(principal: Principal, job_id: str) -> Any:
    """Read how a job is going."""
    del principal
    return WarmJobSchema().dump(warming.get_job(job_id))
