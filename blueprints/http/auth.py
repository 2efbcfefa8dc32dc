"""Authentication and authorisation: every route says what it needs, in one line.

`@require(permission)` turns the key of the request into a `Principal` and hands it to the view as
its first argument; `@public` says that a route needs none, `@public_where` that it is for the
settings to say. A test walks all routes for one of them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import request

from blueprints.http.limits import show_standing
from blueprints.http.unknown_fields import refuse_unknown
from services import authentication, rate_limits
from services.errors import Unauthenticated
from services.principal import Principal, UserId

__all__ = [
    "PUBLIC",
    "bearer_key",
    "permission_of",
    "public",
    "public_where",
    "require",
    "require_or_ticket",
]

View = TypeVar("View", bound=Callable[..., Any])
PUBLIC = "public"
MAX_KEY_CHARS = 200


def bearer_key() -> str:
    """The API key of the request, from `Authorization: Bearer …` or, as Anthropic's, `x-api-key`.

    Raises:
        Unauthenticated: there is none, or it cannot be one.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        key = request.headers.get("X-Api-Key", "")
    key = key.strip()
    if not key:
        raise Unauthenticated("Send your API key as «Authorization: Bearer <key>».")
    if len(key) > MAX_KEY_CHARS or not key.isascii():
        raise Unauthenticated("This API key is not valid.", code="invalid_api_key")
    return key


def require(permission: str) -> Callable[[View], View]:
    """Let only callers with `permission` in; the view gets their `Principal` first."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            principal: Principal = authentication.authenticate(bearer_key())
            show_standing(rate_limits.check_requests(principal))
            principal.must(permission)
            refuse_unknown(view)
            return view(principal, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the route test
        document = dict(getattr(guarded, "_apidoc", {}))
        document["permission"] = {"permission": permission}
        guarded._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001 (flask-smorest's)
        return guarded  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def require_or_ticket(
    permission: str, redeem: Callable[[str, str], UserId]
) -> Callable[[View], View]:
    """Let callers with `permission` in, or with a `?ticket=` for the stream that they ask for.

    The view gets the user's id first, whichever it was.

    Args:
        permission: what a key needs.
        redeem: the user that a ticket for a stream speaks for.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def by_key(principal: Principal, *args: Any, **kwargs: Any) -> Any:
            return view(principal.user_id, *args, **kwargs)

        keyed = require(permission)(by_key)

        @wraps(keyed)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            ticket = request.args.get("ticket")
            if ticket is None:
                return keyed(*args, **kwargs)
            return view(redeem(ticket, kwargs["stream_id"]), *args, **kwargs)

        guarded.takes_ticket = True  # type: ignore[attr-defined]  # read by the document
        return guarded  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def public(view: View) -> View:
    """Say that `view` needs no key."""
    view.permission = PUBLIC  # type: ignore[attr-defined]  # read by the route test
    return view


def public_where(is_open: Callable[[], bool], permission: str) -> Callable[[View], View]:
    """Let everybody in where `is_open` says so, and elsewhere only callers with `permission`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not is_open():
                authentication.authenticate(bearer_key()).must(permission)
            return view(*args, **kwargs)

        guarded.permission = PUBLIC  # type: ignore[attr-defined]  # read by the route test
        guarded.shield = is_open, permission  # type: ignore[attr-defined]  # read by the document
        return guarded  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def permission_of(view: Callable[..., Any] | None) -> str | None:
    """What a view needs by the settings at hand; `None` where it does not say."""
    is_open, permission = getattr(view, "shield", (None, None))
    if is_open is not None and not is_open():
        return str(permission)
    found: str | None = getattr(view, "permission", None)
    return found
