"""The OpenAPI document: what the routes say of themselves, with permissions, keys and errors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flask import Flask

from blueprints.http.auth import PUBLIC, permission_of
from blueprints.http.limits import LIMIT_HEADERS
from blueprints.http.notes import Notes, header_refs, notes_of

__all__ = ["RESPONSE_HEADERS", "describe"]

SUMMARY = (
    "The backend of an AI chat: models, conversations, streams, costs, and the cache behind them. "
    "Errors under `/api` are problem objects (RFC 9457); those under `/v1` are OpenAI's, but for "
    "`/v1/messages`, where they are Anthropic's."
)
KEY = {"type": "http", "scheme": "bearer", "description": "An API key, or as `x-api-key`."}
TICKET = {
    "type": "apiKey",
    "in": "query",
    "name": "ticket",
    "description": "A ticket for this stream, for an EventSource, which can send no header.",
}
PROBLEM, OPENAI_ERROR, ANTHROPIC_ERROR, EITHER_ERROR = (
    "Problem",
    "OpenAIError",
    "AnthropicError",
    "EitherError",
)
ERRORS = {
    "/v1/messages": ANTHROPIC_ERROR,
    "/v1/models": EITHER_ERROR,
    "/v1": OPENAI_ERROR,
    "": PROBLEM,
}
"""The errors of each part of the API, by prefix; the first that fits."""
REFUSALS = {"4XX": "What was wrong with the request.", "5XX": "What is out of reach."}
EVERY = ("X-Request-Id",)
EVERY_KEYED = tuple(name for name in LIMIT_HEADERS if "requests" in name)
EVERY_REFUSAL = (*EVERY, "Retry-After", *LIMIT_HEADERS)
RESPONSE_HEADERS = {
    "X-Request-Id": "The request's id, in the logs as well; a client's own if it is sane.",
    "request-id": "The same id, as Anthropic's clients read it.",
    "ETag": "The resource's version, strong.",
    "Cache-Status": "What the cache did, as RFC 9211 has it.",
    "Cache-Control": "How the answer may be kept.",
    "Retry-After": "In how many seconds to come again, where that helps.",
    "Idempotent-Replayed": "`true`: the first answer to this `Idempotency-Key`.",
    "X-Larder-Cache": "`hit`, `miss`, `coalesced` or `bypass`: what the response cache did.",
    "X-Larder-Stream-Id": "The stream that the answer is read from.",
    "X-Larder-Model": "The model that answers; percent-encoded beyond ASCII.",
    "X-Larder-Cost-Usd": "What the answer cost, where that is known before it is sent.",
    "X-Larder-Error-Code": "Larder's own code of the error.",
    **dict.fromkeys(LIMIT_HEADERS, "Where the key stands with a limit, if it has one."),
}
ALWAYS = {"X-Request-Id", "Cache-Status"}
"""Of these, what is never left out where it is named."""
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
        "retryable": {
            "type": "boolean",
            "description": "Of a failed answer: whether the same request may succeed later.",
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
EITHER_ERROR_SCHEMA = {
    "description": "Anthropic's to who sends `anthropic-version`, else OpenAI's.",
    "anyOf": [
        {"$ref": "#/components/schemas/OpenAIError"},
        {"$ref": "#/components/schemas/AnthropicError"},
    ],
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
    parts["securitySchemes"] = {"key": KEY, "ticket": TICKET}
    views = dict(_views(app))
    for path, operations in document["paths"].items():
        error = next(found for prefix, found in ERRORS.items() if path.startswith(prefix))
        for method in METHODS:
            if method in operations:
                view = views.get((path, method))
                _permit(operations[method], permission_of(view))
                if getattr(view, "takes_ticket", False):
                    _take_ticket(operations[method])
                is_open = getattr(view, "permission", None) in {None, PUBLIC}
                always = EVERY if is_open else (*EVERY, *EVERY_KEYED)
                _add(operations[method], notes_of(view), error, always)
    parts["responses"] = {
        f"{error}{status}": _refusal(error, sentence)
        for error in ERRORS.values()
        for status, sentence in REFUSALS.items()
    }
    parts["headers"] = {
        name: {"description": told, "schema": TEXT, "required": name in ALWAYS}
        for name, told in RESPONSE_HEADERS.items()
    }
    parts["schemas"] |= {
        PROBLEM: PROBLEM_SCHEMA,
        OPENAI_ERROR: OPENAI_ERROR_SCHEMA,
        ANTHROPIC_ERROR: ANTHROPIC_ERROR_SCHEMA,
        EITHER_ERROR: EITHER_ERROR_SCHEMA,
    }
    return document


def _refusal(error: str, sentence: str) -> dict[str, Any]:
    media_type = "application/problem+json" if error == PROBLEM else "application/json"
    own = ("request-id", "X-Larder-Error-Code") if error in {ANTHROPIC_ERROR, EITHER_ERROR} else ()
    return {
        "description": sentence,
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{error}"}}},
        "headers": header_refs((*EVERY_REFUSAL, *own)),
    }


def _add(operation: dict[str, Any], notes: Notes, error: str, always: Iterable[str]) -> None:
    """Add the headers and answers that the view's decorators noted, and those of every answer."""
    answers = operation["responses"]
    for status in ("422", "default"):
        answers.pop(status, None)
    for header in notes.headers:
        described = {**header._asdict(), "in": "header", "required": False}
        del described["answers"]
        operation.setdefault("parameters", []).append(described)
    for status, part in notes.responses:
        usual = [each for each in answers if each < "3"] if status == "2XX" else [status]
        for each in usual:
            answers[each] = _joined(answers.get(each, {}), part)
    for status, answer in answers.items():
        if status < "4" or "content" in answer:
            answer["headers"] = answer.get("headers", {}) | header_refs(always)
        else:
            answer["$ref"] = f"#/components/responses/{error}{status[0]}XX"
    for status in REFUSALS:
        answers[status] = {"$ref": f"#/components/responses/{error}{status}"}


def _joined(part: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both, one level deep into what both have."""
    return {**part, **other} | {
        name: {**part[name], **other[name]}
        for name in part.keys() & other.keys()
        if isinstance(other[name], Mapping)
    }


def _permit(operation: dict[str, Any], permission: str | None) -> None:
    operation.pop("permission", None)
    if permission in {None, PUBLIC}:
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    operation["x-permission"] = permission
    told = operation.get("description", "")
    operation["description"] = f"{told}\n\nNeeds the permission `{permission}`.".strip()


def _take_ticket(operation: dict[str, Any]) -> None:
    """Name the ticket beside the key, and no longer among the parameters."""
    operation["security"].append({"ticket": []})
    operation["parameters"] = [
        each for each in operation["parameters"] if each.get("name") != TICKET["name"]
    ]


def _views(app: Flask) -> Iterator[tuple[tuple[str, str], Callable[..., Any]]]:
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            yield (path, method.lower()), app.view_functions[rule.endpoint]
