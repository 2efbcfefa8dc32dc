"""`/api/models`: the catalogue. A model's id is `provider/name`, slashes in the name allowed."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.models import (
    ModelEdit,
    ModelPageSchema,
    ModelPatchSchema,
    ModelQuery,
    ModelQuerySchema,
    ModelSchema,
    ModelWriteSchema,
    NewModel,
)
from services import models
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("models", "/api/models", "The catalogue of models.")


@routes.get("")
@require("models:read")
@query(ModelQuerySchema)
@returns(ModelPageSchema)
@cached_response
def list_models(principal: Principal, asked: ModelQuery) -> CachedResult[dict[str, Any]]:
    """List models."""
    return models.list_models(asked, sees_disabled=principal.may("models:write"))


@routes.post("")
@require("models:write")
@idempotent()
@body(ModelWriteSchema)
@returns(ModelSchema, 201)
def create_model(principal: Principal, new: NewModel) -> dict[str, Any]:
    """Add a model by hand."""
    return models.create_model(principal, new)


@routes.get("/<path:model_id>")
@require("models:read")
@returns(ModelSchema)
@cached_response
def get_model(principal: Principal, model_id: str) -> CachedResult[dict[str, Any]]:
    """Read one model."""
    return models.get_model(model_id, sees_disabled=principal.may("models:write"))


@routes.patch("/<path:model_id>")
@require("models:write")
@body(ModelPatchSchema)
@returns(ModelSchema)
@takes(IF_MATCH)
def edit_model(
    principal: Principal, edit: ModelEdit, model_id: str, if_match: str | None
) -> dict[str, Any]:
    """Change a model's status, name, limits, capabilities or price."""
    return models.edit_model(principal, model_id, edit, if_match=if_match)


@routes.delete("/<path:model_id>")
@require("models:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_model(principal: Principal, model_id: str, if_match: str | None) -> None:
    """Delete a model."""
    models.delete_model(principal, model_id, if_match=if_match)
