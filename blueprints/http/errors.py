"""Errors as clients see them: one table from service error to status, problem+json (RFC 9457).

Under `/v1` the same errors take the shape of the client's API (`blueprints/openai/errors.py`,
`blueprints/anthropic/errors.py`).
"""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request
from msgspec import json
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from blueprints.http.limits import show_standing
from services import errors
from services.upstream_failures import http_status, title_of

__all__ = ["STATUS", "Shape", "problem", "register_errors", "status_of"]

log = structlog.get_logger(__name__)
SHAPES = "larder_error_shapes"

STATUS: dict[type[errors.LarderError], tuple[int, str]] = {
    errors.Unauthenticated: (401, "Not authenticated"),
    errors.Forbidden: (403, "Not allowed"),
    errors.NotFound: (404, "Not found"),
    errors.Invalid: (422, "Invalid request"),
    errors.Malformed: (400, "Malformed request"),
    errors.TooLarge: (413, "Content too large"),
    errors.Unsupported: (415, "Unsupported media type"),
    errors.Conflict: (409, "Conflict"),
    errors.PreconditionFailed: (412, "Precondition failed"),
    errors.BudgetExceeded: (402, "Budget exceeded"),
    errors.RateLimited: (429, "Too many requests"),
    errors.UpstreamFailed: (502, "The model's provider failed"),
    errors.Unavailable: (503, "Unavailable"),
}


def status_of(fault: errors.LarderError) -> tuple[int, str]:
    """The status and title of a service error."""
    if isinstance(fault, errors.UpstreamFailed):
        return http_status(fault.code), title_of(fault.code)
    for kind in type(fault).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500, "Internal error"


Shape = Callable[[int, str, str, Exception | None], Response]
"""An error's look where it is not problem+json: status, detail, code, service error."""


def problem(
    status: int,
    title: str,
    detail: str,
    code: str,
    extra: dict[str, Any] | None = None,
    fault: Exception | None = None,
) -> Response:
    """A problem+json response, or the shape that the request's path has for errors."""
    for prefix, shape in current_app.extensions[SHAPES].items():
        if f"{request.path}/".startswith(f"{prefix}/"):
            shaped: Response = shape(status, detail, code, fault)
            return shaped
    document: dict[str, Any] = {
        "type": f"urn:larder:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **(extra or {}),
        "request_id": g.get("request_id", ""),
    }
    return Response(json.encode(document), status=status, mimetype="application/problem+json")


def _on_larder_error(fault: errors.LarderError) -> Response:
    status, title = status_of(fault)
    extra: dict[str, Any] = {}
    if isinstance(fault, errors.Invalid):
        extra["errors"] = fault.errors
    if isinstance(fault, errors.UpstreamFailed):
        extra["retryable"] = fault.retryable
    response = problem(status, title, fault.detail, fault.code, extra, fault)
    after = getattr(fault, "retry_after_s", None)
    if after is not None:
        response.headers["Retry-After"] = str(max(0, ceil(after)))
    if isinstance(fault, errors.RateLimited):
        show_standing(fault.standing)
    if status == 401:  # noqa: PLR2004 (the status is the point)
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _on_http_error(fault: HTTPException) -> Response | HTTPException:
    if fault.code is None or fault.code < 400:  # noqa: PLR2004 (redirects go on as they are)
        return fault
    code = fault.name.lower().replace(" ", "_")
    detail = fault.description or fault.name
    if isinstance(fault, RequestEntityTooLarge) and request.max_content_length is not None:
        detail = f"The body can have {request.max_content_length} bytes at most."
    response = problem(fault.code, fault.name, detail, code)
    for name, value in fault.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def _on_database_error(fault: Exception) -> Response:
    log.error("database_failed", path=request.path, exc_info=fault)
    return problem(503, "Unavailable", "The database did not answer.", "database_unavailable")


def _on_anything(fault: Exception) -> Response:
    log.error("unexpected_error", path=request.path, exc_info=fault)
    return problem(500, "Internal error", "Something went wrong on our side.", "internal_error")


def register_errors(
    app: Flask,
    database_faults: tuple[type[Exception], ...],
    shapes: Mapping[str, Shape],
) -> None:
    """Have every error of `app` answered as its table says.

    Args:
        app: the application.
        database_faults: what the database layer raises when it is away; the edge knows no SQL.
        shapes: paths whose errors look otherwise, by prefix.
    """
    app.extensions[SHAPES] = dict(shapes)
    for kind in database_faults:
        app.register_error_handler(kind, _on_database_error)
    app.register_error_handler(errors.LarderError, _on_larder_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_anything)
