"""The OpenAPI document: what the routes say of themselves, with permissions, keys and errors."""

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask

from blueprints.http.auth import PUBLIC

__all__ = ["describe"]

SUMMARY = (
    "The backend of an AI chat: models, conversations, streams, costs, and the cache behind them. "
    "Errors under `/api` are problem objects (RFC 9457); those under `/v1` are OpenAI's, but for "
    "`/v1/messages`, where they are Anthropic's."
)
KEY = {"type": "http", "scheme": "bearer", "description": "An API key."}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
OPENAI_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
ANTHROPIC_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/AnthropicError"}}}
ERRORS = {"/v1/messages": ANTHROPIC_ERROR, "/v1": OPENAI_ERROR, "": PROBLEM}
"""The errors of each part of the API, by prefix; the first that fits."""
METHODS = ("get", "post", "put", "patch", "delete")
TEXT = {"type": "string"}
MAY_BE_TEXT = {"type": ["string", "null"]}
PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "code": TEXT,
        "errors": {
            "type": "object",
            "description": "Each wrong field with its messages.",
            "additionalProperties": {"type": "array", "items": TEXT},
        },
        "request_id": TEXT,
    },
}
OPENAI_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": TEXT,
                "type": TEXT,
                "param": MAY_BE_TEXT,
                "code": MAY_BE_TEXT,
            },
        }
    },
}
ANTHROPIC_ERROR_SCHEMA = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": TEXT, "message": TEXT},
        },
        "request_id": MAY_BE_TEXT,
    },
}


def describe(app: Flask, document: dict[str, Any]) -> dict[str, Any]:
    """Complete what flask-smorest collected.

    Args:
        app: the application, for its routes' permissions.
        document: the collected OpenAPI document; it is changed.

    Returns:
        The same document.
    """
    document["info"]["description"] = SUMMARY
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = {"key": KEY}
    permissions = dict(_permissions(app))
    for path, operations in document["paths"].items():
        error = next(found for prefix, found in ERRORS.items() if path.startswith(prefix))
        for method in METHODS:
            if method in operations:
                _complete(operations[method], permissions.get((path, method)), error)
    parts.pop("responses", None)
    parts["schemas"] |= {
        "Problem": PROBLEM_SCHEMA,
        "OpenAIError": OPENAI_ERROR_SCHEMA,
        "AnthropicError": ANTHROPIC_ERROR_SCHEMA,
    }
    return document


def _complete(operation: dict[str, Any], permission: str | None, error: dict[str, Any]) -> None:
    operation.pop("permission", None)
    answers = operation["responses"]
    for status in ("422", "default"):
        answers.pop(status, None)
    answers["4XX"] = {"description": "What was wrong with the request.", "content": error}
    answers["5XX"] = {"description": "What is out of reach.", "content": error}
    if permission in {None, PUBLIC}:
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    operation["x-permission"] = permission
    told = operation.get("description", "")
    operation["description"] = f"{told}\n\nNeeds the permission `{permission}`.".strip()


def _permissions(app: Flask) -> Iterator[tuple[tuple[str, str], str | None]]:
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        permission = getattr(app.view_functions[rule.endpoint], "permission", None)
        for method in rule.methods or ():
            yield (path, method.lower()), permission
