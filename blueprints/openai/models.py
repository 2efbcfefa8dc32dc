"""`GET /v1/models`: the catalogue in OpenAI's shape, or in Anthropic's to Anthropic's clients.

Both have the same path; Anthropic's clients always name the version of their API.
"""

from typing import Any

from flask import Response, request

from blueprints.anthropic.errors import anthropic_error
from blueprints.http.auth import require
from blueprints.http.bodies import Routes, json_response, query, returns
from blueprints.http.notes import Header, takes
from blueprints.openai.errors import openai_error
from schemas.anthropic.models import ModelPageQuery, ModelPageQuerySchema, model, model_page
from services.callable_models import get_callable_model, list_callable_models
from services.principal import Principal

__all__ = ["models_error", "routes"]

routes = Routes(
    "openai_models", "/v1", "The models, as OpenAI's and Anthropic's clients list them."
)

VERSION = Header("anthropic-version", "Asks for Anthropic's shape, whatever it says.")


def models_error(status: int, detail: str, code: str, fault: Exception | None) -> Response:
    """One error as the client that asks reads it; the arguments are those of either shape."""
    shape = anthropic_error if VERSION.name in request.headers else openai_error
    return shape(status, detail, code, fault)


@routes.get("/models")
@require("models:read")
@query(ModelPageQuerySchema)
@returns(description="All usable models; with the header `anthropic-version`, a page of them.")
@takes(VERSION)
def list_models(
    principal: Principal, asked: ModelPageQuery, anthropic_version: str | None
) -> Response:
    """List the models that may be used."""
    del principal
    listed = list_callable_models().value
    return _sent(listed if anthropic_version is None else model_page(listed["data"], asked))


@routes.get("/models/<path:model_id>")
@require("models:read")
@returns(description="One model.")
@takes(VERSION)
def get_model(principal: Principal, model_id: str, anthropic_version: str | None) -> Response:
    """Read one model."""
    del principal
    found = get_callable_model(model_id)
    return _sent(found if anthropic_version is None else model(found))


def _sent(document: dict[str, Any]) -> Response:
    response = json_response(document)
    response.headers["Vary"] = f"Authorization, X-Api-Key, {VERSION.name}"
    return response
