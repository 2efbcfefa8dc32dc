"""Errors of the Messages API in Anthropic's shape.

https://docs.anthropic.com/en/api/errors
"""

from flask import Response, g

from schemas.anthropic.answers import error_json
from services import errors

__all__ = ["anthropic_error"]

INVALID = 400
STATUS: dict[type[Exception], int] = {errors.Invalid: INVALID}


def anthropic_error(status: int, detail: str, code: str, fault: Exception | None) -> Response:
    """One error as Anthropic's clients read it.

    Args:
        status: the status the same error has under `/api`.
        detail: the sentence for people.
        code: the stable word for programs, sent in a header: the shape has no place for it.
        fault: the service error behind it, if there is one.
    """
    if isinstance(fault, errors.Invalid):
        field, messages = next(iter(fault.errors.items()))
        status, detail = INVALID, f"{field}: {' '.join(messages)}"
    request_id = g.get("request_id")
    response = Response(
        error_json(detail, status, request_id), status=status, mimetype="application/json"
    )
    response.headers["X-Larder-Error-Code"] = code
    if request_id:
        response.headers["request-id"] = request_id
    return response
