"""`/api/costs/pricing`: the dated prices, and overrides of them."""

from datetime import datetime
from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.costs_pricing import (
    PriceDeleteQuerySchema,
    PriceOverride,
    PriceOverrideSchema,
    PriceQuery,
    PriceQuerySchema,
    PriceSchema,
)
from schemas.page import page_schema
from services.costs import price_overrides
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("pricing", "/api/costs/pricing", "Prices, dated, and overrides of them.")


@routes.get("")
@require("costs:read")
@query(PriceQuerySchema)
@returns(page_schema(PriceSchema))
@cached_response
def list_prices(principal: Principal, asked: PriceQuery) -> CachedResult[dict[str, Any]]:
    """List prices by model, each model's newest first."""
    del principal  # prices are the same for everybody
    return price_overrides.list_prices(asked)


@routes.put("/<path:model_id>")
@require("costs:write")
@body(PriceOverrideSchema)
@returns(PriceSchema)
@takes(IF_MATCH)
def override_price(
    principal: Principal, new: PriceOverride, model_id: str, if_match: str | None
) -> dict[str, Any]:
    """Set a model's price by hand, from an instant on."""
    return price_overrides.override_price(principal, model_id, new, if_match=if_match)


@routes.delete("/<path:model_id>")
@require("costs:write")
@query(PriceDeleteQuerySchema)
@returns(status=204)
@takes(IF_MATCH)
def delete_overrides(
    principal: Principal, asked: dict[str, datetime | None], model_id: str, if_match: str | None
) -> None:
    """Take a model's overrides away: copied prices count again."""
    price_overrides.delete_overrides(
        principal, model_id, asked["effective_from"], if_match=if_match
    )
