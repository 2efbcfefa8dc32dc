"""Hits answered in front of Flask: a WSGI layer that sends a remembered answer while it holds.

The first hit of a kind (same key, path, query, origin) is answered the whole way and recorded: from
which cached reads, and until when (`cache.recording`). The next is answered here if the generations
of all those reads, read after the request began, are what they were, none of their entries has
expired, and the one that gives the body is still there; else it goes the whole way. So it is the
answer that the view would give, under the same promise, counted by the same counters. What is
remembered is how an answer is made, never its bytes, under a keyed hash of what the request says.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog
from werkzeug.http import http_date

from cache import recording
from cache.backends.memory import MemoryCache
from cache.engine import CacheEngine
from cache.plans import Plan, plan_of
from cache.recording import Recording
from cache.results import CachedResult, Outcome
from cache.tiers import MEMORY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["KNOWN_HEADERS", "Front"]

IDENTITY = (
    "HTTP_AUTHORIZATION",
    "HTTP_X_API_KEY",
    "HTTP_ORIGIN",
    "HTTP_HOST",
    "wsgi.url_scheme",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
)
WHOLE_WAY = (
    "HTTP_IF_MATCH",
    "HTTP_RANGE",
    "HTTP_IF_RANGE",
    "HTTP_UPGRADE",
    "HTTP_TRANSFER_ENCODING",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
)
"""A request with one of these is answered behind."""
TAKEN_IN = ("HTTP_CACHE_CONTROL", "HTTP_IF_NONE_MATCH", "HTTP_X_REQUEST_ID")
IDLE = ("HTTP_CONNECTION", "HTTP_IF_MODIFIED_SINCE")
"""Looked at on the whole way, in vain: without `Upgrade`, and without a `Last-Modified`."""
KNOWN_HEADERS = frozenset(
    name
    for name in (*IDENTITY, *WHOLE_WAY, *TAKEN_IN, *IDLE)
    if name.startswith(("HTTP_", "CONTENT_"))
)
"""All that a cached view and what stands around it may look at; a test tries the routes."""

OK, NOT_MODIFIED = "200 OK", "304 NOT MODIFIED"
SHARE = 8
PLAN_TTL_S = 3600


class Front:
    """The WSGI layer.

    Plans take an eighth of the memory tier's budget at most, beside it.

    Args:
        app: answers everything else; kept as `behind`.
        engine: the cache.
        count: told of each answer: method, route, status, seconds.
        request_id: makes a request's id of the one that its caller gave.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        engine: CacheEngine,
        count: Callable[[str, str, int, float], None],
        request_id: Callable[[str], str],
    ) -> None:
        self.behind = app
        self._engine = engine
        self._count = count
        self._request_id = request_id
        self._secret = secrets.token_bytes(32)
        self._dated = (0, "")
        self.plans = MemoryCache(
            max_bytes=engine.settings.memory_bytes // SHARE,
            default_timeout=PLAN_TTL_S,
            clock=engine.clock,
        )

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request, here or behind."""
        if not _is_plain(environ):
            return self.behind(environ, start_response)
        began_s = time.perf_counter()
        name = self._name(environ)
        plan: Plan | None = self.plans.get(name)
        if plan is None:
            return self._record(name, Recording(), environ, start_response)
        if self._engine.auditor.samples:
            return self._record(name, Recording(is_audited=True), environ, start_response)
        request_id = self._request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        result = self._result(plan, environ)
        if result is None:
            return self._record(name, Recording(), environ, start_response)
        headers = [
            *plan.headers,
            ("Cache-Status", result.cache_status),
            ("X-Request-Id", request_id),
        ]
        if plan.is_dated:
            headers.append(("Date", self._date()))
        is_known = "HTTP_IF_NONE_MATCH" in environ
        if not is_known:
            headers += plan.entity
        start_response(NOT_MODIFIED if is_known else OK, headers)
        status = 304 if is_known else 200
        self._count("GET", plan.route, status, time.perf_counter() - began_s)
        return () if is_known else (result.body,)

    def _name(self, environ: "WSGIEnvironment") -> str:
        said = repr([environ.get(name) for name in IDENTITY])
        return blake2b(said.encode(), key=self._secret, digest_size=16).hexdigest()

    def _date(self) -> str:
        now_s = int(time.time())
        if self._dated[0] != now_s:
            self._dated = (now_s, http_date(now_s))
        return self._dated[1]

    def _result(self, plan: Plan, environ: "WSGIEnvironment") -> CachedResult[Any] | None:
        """What to answer, if the plan still holds; its reads are counted."""
        now_s = self._engine.clock.now().timestamp()
        if not self._holds(plan, environ, now_s):
            return None
        began_s = time.perf_counter()
        body = plan.body
        found = self._engine.find(body.key, body.shape, body.stamp)
        entry = found.entry
        if entry is None or found.is_early or entry.etag != body.etag:
            return None  # one that is to be refreshed needs its loader
        entry.uses += 1
        count = self._engine.statistics
        count.took(body.namespace, found.detail, time.perf_counter() - began_s)
        count.read(body.namespace, body.resource, Outcome.HIT, found.detail)
        for read in plan.others:  # what they held is in the plan, so in memory
            count.read(read.namespace, read.resource, Outcome.HIT, MEMORY)
        ttl_s = max(0, int(entry.expires_s - now_s))
        return CachedResult(entry.body, entry.etag, Outcome.HIT, found.detail, ttl_s, bytes)

    def _holds(self, plan: Plan, environ: "WSGIEnvironment", now_s: float) -> bool:
        etag = plan.body.etag
        if plan.until_s <= now_s or environ.get("HTTP_IF_NONE_MATCH", etag) != etag:
            return False
        try:
            return self._engine.generations.store.current(plan.rows) == plan.stamp
        except Exception:  # noqa: BLE001 (the whole way says what is wrong)
            return False

    def _record(
        self,
        name: str,
        noted: Recording,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer the whole way, and remember how if it can be done again."""
        sent: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], *fault: Any) -> Any:
            sent.append((status, headers))
            return start_response(status, headers, *fault)

        token = recording.record(noted)
        try:
            body = self.behind(environ, start)
        finally:
            recording.finish(token)
        if sent and sent[-1][0] in {OK, NOT_MODIFIED}:
            plan = plan_of(noted, sent[-1][1])
            if plan is not None:
                self.plans.set(name, plan, size_bytes=plan.size_bytes)
        return body


def _is_plain(environ: "WSGIEnvironment") -> bool:
    """Whether it is a GET with a key that neither asks past the cache nor for part of an answer."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and ("HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" in environ)
        and "no-" not in environ.get("HTTP_CACHE_CONTROL", "").lower()
        and not any(environ.get(name) for name in WHOLE_WAY)
    )
