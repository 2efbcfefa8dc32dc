"""`GET /v1/models`: the catalogue in OpenAI's shape."""

from typing import Any

from flask import Response

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, json_response, returns
from services import completions
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("openai_models", "/v1", "OpenAI-compatible model list.")


@routes.get("/models")
@require("models:read")
@returns(description="All usable models.")
def list_models(principal: Principal) -> Response:
    """List the models that may be used."""
    del principal
    return json_response(completions.list_models().value)


@routes.get("/models/<path:model_id>")
@require("models:read")
@returns(description="One model.")
def get_model(principal: Principal, model_id: str) -> dict[str, Any]:
    """Read one model."""
    del principal
    return completions.get_model(model_id)
