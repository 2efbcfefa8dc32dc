"""What happens around every request: its id, and headers that keep browsers careful."""

import socket
import threading
import time
from contextlib import suppress

import structlog
from flask import Flask, Response, g, request

from blueprints.http.limits import write_standings
from blueprints.http.wire_bodies import may_be_unread
from services import metrics
from services.errors import NotFound
from telemetry.ids import new_id, request_id

__all__ = ["register_request_hooks"]

MOST_DISCARDED = 64 * 2**20
LONGEST_DISCARD_S = 5.0
PIECE = 64 * 1024
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
    named = {name.lower() for name, _ in response.headers}
    response.headers.extend([each for each in HEADERS.items() if each[0].lower() not in named])
    write_standings(response)
    if response.status_code >= 400:  # noqa: PLR2004 (an error may come before the body is read)
        _discard_body()
    if "began_s" in g:
        route = request.url_rule.rule if request.url_rule else "none"
        took_s = time.perf_counter() - g.pop("began_s")
        metrics.count_request(request.method, route, response.status_code, took_s)
    return response


def _discard_body() -> None:
    """Read on to the end of a body that nobody wants, within limits of size and time.

    A connection that is closed over unread bytes is reset, and with it goes the answer that says
    what was wrong with them.
    """
    environ = request.environ
    if not environ.get("wsgi.input_terminated") or not may_be_unread(request):
        return
    left, body = MOST_DISCARDED, environ["wsgi.input"]
    limit = threading.Timer(LONGEST_DISCARD_S, _hear_no_more, [environ.get("gunicorn.socket")])
    limit.daemon = True
    limit.start()
    try:
        with suppress(Exception):  # the client is gone, or its body broken: the answer stands
            while left > 0 and (piece := body.read(PIECE)):
                left -= len(piece)
    finally:  # however it ends: the connection may serve the next request
        limit.cancel()


def _hear_no_more(connection: socket.socket | None) -> None:
    """End a wait for what a client sends; it can still be answered."""
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


def register_request_hooks(app: Flask) -> None:
    """Have every request of `app` begin and end so."""
    app.before_request(_begin)
    app.after_request(_end)
