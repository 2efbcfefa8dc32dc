"""Fields that an end point does not have: under `/api` they are named, never passed over.

What a schema reads it checks itself; this is for end points without a query or without a body.
"""

from collections.abc import Callable
from typing import Any

from flask import request
from webargs import missing

from blueprints.http.bodies import read_json
from blueprints.http.wire_bodies import has_body
from services.errors import Invalid

__all__ = ["refuse_unknown"]

UNKNOWN = "Unknown field."


def refuse_unknown(view: Callable[..., Any]) -> None:
    """Refuse what the request says and `view` would not read.

    Raises:
        Invalid: there are parameters, or there is a body, where `view` takes none.
        Malformed: the body is not even JSON.
        Unsupported: it is of another media type.
    """
    if not request.path.startswith("/api/"):
        return
    taken = getattr(view, "takes", ())
    if request.args and "query" not in taken:
        raise Invalid({name: [UNKNOWN] for name in request.args})
    if request.method != "GET" and "body" not in taken and has_body(request):
        _refuse_content(read_json(request))


def _refuse_content(content: Any) -> None:
    if isinstance(content, dict) and content:
        raise Invalid({name: [UNKNOWN] for name in content})
    if content not in ({}, missing):
        raise Invalid.field("body", "This takes none.")
