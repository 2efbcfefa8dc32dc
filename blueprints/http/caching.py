"""Cached responses: stored bytes out, with ETag, 304 and Cache-Status (RFC 9110, 9111, 9211)."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, request

from blueprints.http.notes import Header, header_refs, note
from cache import recording
from cache.results import CachedResult, ReadPolicy, reading

__all__ = ["IF_NONE_MATCH", "TAGGED", "cached_response", "uncached"]

View = TypeVar("View", bound=Callable[..., Any])
MEDIA_TYPE = "application/json"
IF_NONE_MATCH = Header(
    "If-None-Match",
    "The ETag that the caller has.",
    answers={"304": "The caller has it already."},
)
CACHE_CONTROL = Header(
    "Cache-Control",
    "`no-cache` reads through the cache and refills it; `no-store` goes past it.",
)
TAGGED = {status: {"headers": header_refs(["ETag"])} for status in ("200", "304")}
HEADERS = header_refs(["ETag", "Cache-Status", "Cache-Control"])


def cached_response(view: View) -> View:
    """Send the `CachedResult` that `view` returns.

    The request's `Cache-Control: no-cache` reads through and refills, `no-store` bypasses.
    """

    @wraps(view)
    def sent(*args: Any, **kwargs: Any) -> Response:
        with reading(_policy()):
            result: CachedResult[Any] = view(*args, **kwargs)
            return _noted(result, send(result))

    answers = {status: {"headers": HEADERS} for status in ("200", "304")}
    note(sent, IF_NONE_MATCH, CACHE_CONTROL, responses=answers)
    sent.is_cached = True  # type: ignore[attr-defined]  # read by the route test
    return sent  # type: ignore[return-value]  # same signature, seen from outside


def uncached(reason: str) -> Callable[[View], View]:
    """Say why a GET under `/api` is not cached; a test wants one or the other."""

    def decorate(view: View) -> View:
        view.uncached = reason  # type: ignore[attr-defined]  # read by the route test
        return view

    return decorate


def send(result: CachedResult[Any]) -> Response:
    """The response of one cached result, or 304 where the caller has it already."""
    response = Response(result.body, content_type=MEDIA_TYPE)
    response.headers["ETag"] = result.etag
    response.headers["Cache-Status"] = result.cache_status
    # Private and revalidated: whose answer it is depends on the key, and a write may change it.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization, X-Api-Key"
    return response.make_conditional(request)  # type: ignore[return-value]


def _noted(result: CachedResult[Any], response: Response) -> Response:
    """Let the next request of the kind be answered before it comes here (`cache.front`)."""
    noting = recording.current()
    if noting is not None and request.url_rule is not None:
        noting.answered(result, route=request.url_rule.rule, media_type=MEDIA_TYPE)
    return response


def _policy() -> ReadPolicy:
    said = request.headers.get("Cache-Control", "").lower()  # they know no case: RFC 9111, 5.2
    asked = {part.strip().partition("=")[0] for part in said.split(",")}
    if "no-store" in asked:
        return ReadPolicy.BYPASS
    return ReadPolicy.REFRESH if "no-cache" in asked else ReadPolicy.NORMAL
