"""What a request says of the response cache in its headers (RFC 9111, 5.2.1)."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from flask import request

from blueprints.http.notes import Header, note
from schemas.response_cache import MAX_RESPONSE_TTL_S, CacheControls

__all__ = ["cache_controlled", "cache_controls"]

View = TypeVar("View", bound=Callable[..., Any])
CACHE_CONTROL = Header(
    "Cache-Control",
    "Of the response cache: `max-age` above zero turns it on, unless the body has `cache`; "
    "`no-cache` asks the model anew and keeps its answer; `no-store` neither looks nor keeps.",
)


def cache_controlled(view: View) -> View:
    """Hand a view its loaded body with what the headers say of the response cache as well."""

    @wraps(view)
    def handed(principal: Any, asked: Any, *args: Any, **kwargs: Any) -> Any:
        controls = cache_controls(asked.cache)
        return view(principal, replace(asked, cache=controls), *args, **kwargs)

    note(handed, CACHE_CONTROL)
    return handed  # type: ignore[return-value]  # same signature, seen from outside


def cache_controls(said: CacheControls | None) -> CacheControls | None:
    """The controls of this request: those of its body, else of `Cache-Control`.

    `max-age` above zero turns the cache on; `no-cache`, its like `max-age=0`, and `no-store` alone
    do not: browsers send them.

    Args:
        said: what the body says.

    Returns:
        `None` where neither says anything.
    """
    header = request.cache_control
    max_age_s = max(0, header.max_age) if isinstance(header.max_age, int) else None
    no_cache, no_store = bool(header.no_cache) or max_age_s == 0, bool(header.no_store)
    if said is not None:
        return CacheControls(
            ttl_s=said.ttl_s,
            namespace=said.namespace,
            no_cache=said.no_cache or no_cache,
            no_store=said.no_store or no_store,
        )
    if max_age_s is None and not (no_cache or no_store):
        return None
    return CacheControls(
        is_wanted=bool(max_age_s),
        ttl_s=min(max_age_s, MAX_RESPONSE_TTL_S) if max_age_s else None,
        no_cache=no_cache,
        no_store=no_store,
    )
