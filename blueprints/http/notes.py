"""What an end point's decorators say of it in the OpenAPI document, beside flask-smorest's part.

Who handles a header notes it on the view; `functools.wraps` carries the notes out to the route.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from flask import request

__all__ = [
    "IF_MATCH",
    "Header",
    "Notes",
    "also_answers",
    "header_refs",
    "note",
    "notes_of",
    "takes",
]

View = TypeVar("View", bound=Callable[..., Any])
TEXT = {"type": "string"}


class Header(NamedTuple):
    """A header of a request, and what is answered on its account alone, by status."""

    name: str
    description: str
    schema: Mapping[str, Any] = TEXT
    answers: Mapping[str, str] = {}


class Notes(NamedTuple):
    """Parts of an operation: the headers it reads, and responses by status."""

    headers: tuple[Header, ...] = ()
    responses: tuple[tuple[str, Mapping[str, Any]], ...] = ()


IF_MATCH = Header(
    "If-Match",
    "The ETag that the resource must still have.",
    answers={"412": "The resource has another ETag by now."},
)


def note(
    view: Callable[..., Any],
    *headers: Header,
    responses: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Add to what is said of `view`; what it wraps keeps its own notes."""
    earlier = notes_of(view)
    answers = [
        (status, {"description": sentence})
        for header in headers
        for status, sentence in header.answers.items()
    ]
    view.notes = Notes(  # type: ignore[attr-defined]  # read by the document
        (*earlier.headers, *headers),
        (*earlier.responses, *answers, *(responses or {}).items()),
    )


def notes_of(view: Callable[..., Any] | None) -> Notes:
    """All that was noted on `view` and on what it wraps."""
    found: Notes = getattr(view, "notes", Notes())
    return found


def also_answers(status: int, part: Mapping[str, Any]) -> Callable[[View], View]:
    """Note an answer that a view gives beside its usual one.

    Args:
        status: its status. With `content` of its own it is no error of the path's usual form.
        part: what the document says of it.
    """

    def decorate(view: View) -> View:
        note(view, responses={str(status): part})
        return view

    return decorate


def takes(
    header: Header, responses: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[View], View]:
    """Hand a header of the request, or `None`, to the view as an argument of its name.

    Args:
        header: the header.
        responses: what else the view answers, by status, as the document has it.
    """
    argument = header.name.lower().replace("-", "_")

    def decorate(view: View) -> View:
        @wraps(view)
        def handed(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs, **{argument: request.headers.get(header.name)})

        note(handed, header, responses=responses)
        return handed  # type: ignore[return-value]  # less the argument that is filled in here

    return decorate


def header_refs(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The headers of a response, each defined once in the document (`response_headers`)."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
