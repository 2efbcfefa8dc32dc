"""What happens around every request: its id, and headers that keep browsers careful."""

import time

import structlog
from flask import Flask, Response, g, request

from blueprints.http.limits import write_standings
from services import metrics
from services.errors import NotFound
from telemetry.ids import new_id, request_id

__all__ = ["register_request_hooks"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
}


def _begin() -> None:
    g.began_s = time.perf_counter()
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if "\x00" in request.path:  # no database stores it, so it names nothing
        raise NotFound("There is nothing at this address.")


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id") or new_id()
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    write_standings(response)
    if "began_s" in g:
        route = request.url_rule.rule if request.url_rule else "none"
        took_s = time.perf_counter() - g.pop("began_s")
        metrics.count_request(request.method, route, response.status_code, took_s)
    return response


def register_request_hooks(app: Flask) -> None:
    """Have every request of `app` begin and end so."""
    app.before_request(_begin)
    app.after_request(_end)
