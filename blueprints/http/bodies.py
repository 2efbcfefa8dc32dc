"""What goes in and out of an end point, checked and documented in one line each.

`@body(Schema)` and `@query(Schema)` hand the loaded values to the view after the principal;
`@returns(Schema)` writes what the view gives back as JSON with a strong ETag.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from itertools import islice
from typing import Any, NoReturn, TypeVar

import msgspec
from flask import Request, Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from webargs import missing
from webargs.flaskparser import FlaskParser

from blueprints.http.notes import header_refs, note
from cache.results import encode_body, etag_of
from services.errors import Invalid, Malformed, Unsupported

__all__ = [
    "Routes",
    "body",
    "json_response",
    "large_body",
    "query",
    "read_json",
    "returns",
    "upload",
]

MAX_NESTING = 100
MAX_FAULTS = 100
NO_CONTENT = 204

View = TypeVar("View", bound=Callable[..., Any])


class StrictParser(FlaskParser):
    """Reads JSON strictly and turns every fault into an error that names the field."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 (webargs' own form)
        # Each schema says itself what it does with unknown fields.
        "json": None,
        "query": None,
        "form": None,
        "files": None,
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, parsed; no body at all counts as missing."""
        del schema
        return read_json(req)

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        """The faults of one request by field, as many as anybody reads."""
        del args, kwargs
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]  # marshmallow's gap
        raise Invalid(dict(islice(_flat(messages), MAX_FAULTS))) from error


def read_json(req: Request) -> Any:
    """The JSON body of `req`, or `missing` for an empty one.

    Raises:
        Malformed: it is not JSON, or nested too deep.
        Unsupported: its media type is not JSON.
    """
    raw = req.get_data(cache=True)
    if not raw:
        return missing
    if req.mimetype and not req.is_json:
        raise Unsupported("Send the body as application/json.")
    try:
        return _bounded(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Malformed(f"The body is not JSON: {str(fault)[:200]}.", code="invalid_json") from None
    except RecursionError:
        raise Malformed("The body is nested too deep.", code="invalid_json") from None


def _bounded(value: Any) -> Any:
    """`value`, unless it is nested deeper than everything that handles it later can go."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise RecursionError


def _flat(messages: Any, path: str = "") -> Any:
    """Marshmallow's nested messages as (dotted field, messages); the location is left out."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            hidden = (not path and name in {"json", "query", "form", "files"}) or name == "_schema"
            yield from _flat(inner, path if hidden else f"{path}.{name}".lstrip("."))
    else:
        listed = messages if isinstance(messages, list) else [messages]
        yield path or "body", [str(each) for each in listed]


class Routes(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A blueprint whose routes document themselves."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, url_prefix: str, description: str = "") -> None:
        super().__init__(name, name, url_prefix=url_prefix, description=description)

    def get(self, rule: str) -> Callable[[View], View]:
        """Have a view answer GET."""
        return self._verb("GET", rule)

    def post(self, rule: str) -> Callable[[View], View]:
        """Have a view answer POST."""
        return self._verb("POST", rule)

    def put(self, rule: str) -> Callable[[View], View]:
        """Have a view answer PUT."""
        return self._verb("PUT", rule)

    def patch(self, rule: str) -> Callable[[View], View]:
        """Have a view answer PATCH."""
        return self._verb("PATCH", rule)

    def delete(self, rule: str) -> Callable[[View], View]:
        """Have a view answer DELETE."""
        return self._verb("DELETE", rule)

    def _verb(self, method: str, rule: str) -> Callable[[View], View]:
        return self.route(rule, methods=[method])  # type: ignore[no-any-return]


_DOCUMENT = Routes("document", "/")


def body(schema: type[Schema] | Schema, *, required: bool = True) -> Callable[[View], View]:
    """Load the JSON body with `schema` and hand it to the view."""
    return _taking("body", _DOCUMENT.arguments(_made(schema), location="json", required=required))


def query(schema: type[Schema] | Schema) -> Callable[[View], View]:
    """Load the query string with `schema` and hand it to the view."""
    return _taking("query", _DOCUMENT.arguments(_made(schema), location="query"))


def _made(schema: type[Schema] | Schema) -> Schema:
    """One schema for all requests: of a class one would be made for each."""
    return schema() if isinstance(schema, type) else schema


def _taking(what: str, load: Callable[[View], View]) -> Callable[[View], View]:
    """`load`, and a note of `what` is read: what nothing reads is refused (`unknown_fields`)."""

    def decorate(view: View) -> View:
        loaded = load(view)
        loaded.takes = {what, *getattr(view, "takes", ())}  # type: ignore[attr-defined]  # likewise
        return loaded

    return decorate


def large_body(max_bytes: Callable[[], int]) -> Callable[[View], View]:
    """Read a larger body than others may have; `max_bytes` gives how large.

    It stands above what reads the body, `@idempotent` included.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def sized(*args: Any, **kwargs: Any) -> Any:
            request.max_content_length = max_bytes()
            return view(*args, **kwargs)

        return sized  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def upload(
    schema: type[Schema] | Schema, *, max_bytes: Callable[[], int]
) -> Callable[[View], View]:
    """Load the files of a form with `schema` and hand them to the view.

    Args:
        schema: the form's parts.
        max_bytes: gives the largest form that is read; it may be larger than a JSON body.
    """
    load = _taking("body", _DOCUMENT.arguments(schema, location="files"))

    def decorate(view: View) -> View:
        loaded = load(view)

        @wraps(loaded)
        def sized(*args: Any, **kwargs: Any) -> Any:
            if request.mimetype != "multipart/form-data":
                raise Unsupported("Send the file as multipart/form-data.")
            request.max_content_length = max_bytes()
            if request.form:
                raise Invalid({name: ["Must be a file, or left out."] for name in request.form})
            twice = [name for name, parts in request.files.lists() if len(parts) > 1]
            if twice:  # all but the first would be passed over
                raise Invalid({name: ["Must be one file."] for name in twice})
            return loaded(*args, **kwargs)

        return sized  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def json_response(value: Any, status: int = 200) -> Response:
    """`value` as JSON, with the ETag that a GET of the same resource has."""
    raw = encode_body(value)
    response = Response(raw, status=status, mimetype="application/json")
    if isinstance(value, Mapping):
        response.headers["ETag"] = etag_of(raw)
    return response


def returns(
    schema: type[Schema] | Schema | None = None,
    status: int = 200,
    *,
    description: str | None = None,
    media_type: str | None = None,
    also: str | None = None,
    or_nothing: str | None = None,
) -> Callable[[View], View]:
    """Write what the view returns as JSON with `status`; a `Response` goes out as it is.

    Args:
        schema: the body; none for no body with 204, else for one of any form.
        status: what is answered unless there is an error.
        description: what is answered, in words.
        media_type: what the view writes instead of JSON.
        also: another media type in which the view may write it.
        or_nothing: what a 204 says, which answers `None` beside another `status`.
    """
    document = _DOCUMENT.response(status, schema, description=description, content_type=media_type)

    def decorate(view: View) -> View:
        @wraps(view)
        def written(*args: Any, **kwargs: Any) -> Response:
            result = view(*args, **kwargs)
            if isinstance(result, Response):
                return result
            if result is None:
                empty = Response(status=NO_CONTENT if or_nothing else status)
                del empty.headers["Content-Type"]
                return empty
            return json_response(result, status)

        if status != NO_CONTENT:
            has_etag = media_type is None and not getattr(view, "is_relayed", False)
            told = {
                "content": _content(schema, media_type, also),
                "headers": header_refs(["ETag"] if has_etag else []),
            }
            note(written, responses={str(status): told})
        if or_nothing:
            note(written, responses={str(NO_CONTENT): {"description": or_nothing}})
        return document(written)  # type: ignore[no-any-return]

    return decorate


def _content(
    schema: type[Schema] | Schema | None, media_type: str | None, also: str | None
) -> dict[str, Any]:
    """The bodies that flask-smorest does not name: those without a schema."""
    content: dict[str, Any] = {}
    if also:
        content[also] = {"schema": {"type": "string"}}
    if schema is None:
        form = "string" if media_type else "object"
        content[media_type or "application/json"] = {"schema": {"type": form}}
    return content
