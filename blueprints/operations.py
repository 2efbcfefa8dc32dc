"""Operations: is the process alive, is it ready to serve."""

from typing import Any

from flask import Response

from blueprints.http.auth import public
from blueprints.http.bodies import Routes, json_response, returns
from services import readiness

__all__ = ["routes"]

routes = Routes("operations", "/", "Health of the process and of what it needs.")


@routes.get("/healthz")
@public
@returns()
def healthz() -> dict[str, Any]:
    """Say that the process lives."""
    return {"status": "ok"}


@routes.get("/readyz")
@public
@returns()
def readyz() -> Response:
    """Say whether the database answers, and what the cache stands on."""
    state = readiness.check()
    return json_response(state, 200 if state["status"] == "ready" else 503)
