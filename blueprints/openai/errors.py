"""Errors under `/v1` in OpenAI's shape, with the statuses that official clients turn into classes.

https://platform.openai.com/docs/guides/error-codes
"""

from flask import Response

from schemas.openai import error_json
from services import errors

__all__ = ["openai_error"]

INVALID = "invalid_request_error"
KINDS: dict[type[errors.LarderError], tuple[int | None, str]] = {
    errors.Unauthenticated: (401, "authentication_error"),
    errors.Forbidden: (403, "permission_error"),
    errors.NotFound: (404, INVALID),
    errors.Invalid: (400, INVALID),
    errors.Malformed: (400, INVALID),
    errors.TooLarge: (413, INVALID),
    errors.Unsupported: (415, INVALID),
    errors.Conflict: (409, INVALID),
    errors.BudgetExceeded: (402, "insufficient_quota"),
    errors.RateLimited: (429, "rate_limit_error"),
    errors.UpstreamFailed: (None, "api_error"),
    errors.Unavailable: (503, "api_error"),
}
"""Status (None: as elsewhere) and type of each error."""
UPSTREAM_KINDS = {400: INVALID, 429: "rate_limit_error"}
"""Of a provider's refusal, as its own clients would see it."""


def openai_error(status: int, detail: str, code: str, fault: Exception | None) -> Response:
    """One error as OpenAI's clients read it.

    Args:
        status: the status the same error has under `/api`.
        detail: the sentence for people.
        code: the stable word for programs.
        fault: the service error behind it, if there is one.
    """
    kind, param = INVALID if status < 500 else "api_error", None  # noqa: PLR2004 (a status class)
    for each in type(fault).__mro__:
        if each in KINDS:
            own, kind = KINDS[each]
            status = own or status
    if isinstance(fault, errors.Invalid):
        param, messages = next(iter(fault.errors.items()))
        detail = f"{param}: {' '.join(messages)}"
    if isinstance(fault, errors.UpstreamFailed):
        kind, param = UPSTREAM_KINDS.get(status, kind), fault.param
        code = fault.upstream_code or code  # `context_length_exceeded`: clients act on it
    return Response(
        error_json(detail, kind, param, code), status=status, mimetype="application/json"
    )
