"""Operations: is the process alive, is it ready, what does it count, what does it offer."""

from typing import Any

from flask import Response, current_app

from blueprints.http.auth import public, public_where
from blueprints.http.bodies import Routes, json_response, returns
from blueprints.http.caching import uncached
from blueprints.http.notes import also_answers, header_refs
from blueprints.http.openapi import describe
from services import metrics, readiness

__all__ = ["routes"]

UNREADY = {
    "description": "The database does not answer; the same document says so.",
    "content": {"application/json": {"schema": {"type": "object"}}},
    "headers": header_refs(["ETag"]),
}

routes = Routes("operations", "/", "Health of the process and of what it needs.")


@routes.get("/healthz")
@public
@returns()
def healthz() -> dict[str, Any]:
    """Say that the process lives."""
    return {"status": "ok"}


@routes.get("/readyz")
@public
@also_answers(503, UNREADY)
@returns()
def readyz() -> Response:
    """Say whether the database answers, and what the cache stands on."""
    state = readiness.check()
    return json_response(state, 200 if state["status"] == "ready" else 503)


@routes.get("/metrics")
@public_where(metrics.is_public, "cache:read")
@returns(media_type="text/plain", description="Figures in Prometheus' text format.")
def show_metrics() -> Response:
    """Show the figures of all workers of this machine."""
    return Response(metrics.expose(), content_type=metrics.MEDIA_TYPE)


@routes.get("/api/openapi.json")
@uncached("made from the code, the same until the next start")
@public
@returns(description="This document.")
def show_openapi() -> dict[str, Any]:
    """Describe the API."""
    collected = current_app.extensions["larder_openapi"]
    if "document" not in collected:
        collected["document"] = describe(
            current_app._get_current_object(),  # type: ignore[attr-defined]  # noqa: SLF001 (Flask's)
            collected["collect"](),
        )
    return collected["document"]  # type: ignore[no-any-return]
