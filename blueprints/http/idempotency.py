"""`Idempotency-Key`: a POST that is repeated with the same key gives its first answer again.

`@idempotent` stands right under `@require` on every POST that creates or spends; a test walks all
routes for it. An answer that was streamed is joined again; one that was not kept is said to be so.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar

from flask import Response, request

from blueprints.http.notes import Header, header_refs, note
from services import idempotency
from services.errors import Conflict, Invalid
from services.idempotency import FirstAnswer
from services.principal import Principal

__all__ = ["Rejoin", "idempotent", "repeatable"]

View = TypeVar("View", bound=Callable[..., Any])
Rejoin = Callable[[Principal, str], Response | None]

HEADER = "Idempotency-Key"
STREAM_HEADER = "X-Larder-Stream-Id"
EVENT_STREAM = "text/event-stream"
MAX_KEY_CHARS = 255
KEPT_HEADERS = ("Content-Type", "ETag", "Location")
KEPT_PREFIX = "X-Larder-"
NAMED = Header(
    HEADER,
    "Names the request: a repeat within 24 h gives the first answer.",
    schema={"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
)
STREAMED = {
    "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    "headers": header_refs([STREAM_HEADER]),
}
"""What an answer that can be joined again may be, the first time as well."""


def idempotent(rejoin: Rejoin | None = None) -> Callable[[View], View]:
    """Give a repeat of a POST its first answer.

    Args:
        rejoin: how an answer that was streamed is read again: from the caller and the stream's id
            to a response, or `None` when the stream is over.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def once(principal: Principal, *args: Any, **kwargs: Any) -> Response:
            given = request.headers.get(HEADER)
            if given is None:
                answered: Response = view(principal, *args, **kwargs)
                return answered
            named = (principal.key_id, _checked(given))
            first = idempotency.begin(*named, _digest())
            if first is not None:
                return _again(principal, first, rejoin)
            try:
                response: Response = view(principal, *args, **kwargs)
            except BaseException:
                idempotency.abandon(*named)
                raise
            _keep(named, response)
            return response

        once.is_idempotent = True  # type: ignore[attr-defined]  # read by the route test
        answers: dict[str, Any] = {"2XX": {"headers": header_refs(["Idempotent-Replayed"])}}
        note(once, NAMED, responses=answers | ({"200": STREAMED} if rejoin else {}))
        return once  # type: ignore[return-value]  # same signature, seen from outside

    return decorate


def repeatable(reason: str) -> Callable[[View], View]:
    """Say why a POST needs no `@idempotent`; a test wants one or the other."""

    def decorate(view: View) -> View:
        view.repeatable = reason  # type: ignore[attr-defined]  # read by the route test
        return view

    return decorate


def _checked(given: str) -> str:
    if not 1 <= len(given) <= MAX_KEY_CHARS or not given.isascii() or not given.isprintable():
        sentence = f"Must be 1 to {MAX_KEY_CHARS} printable ASCII characters."
        raise Invalid.field(HEADER, sentence)
    return given


def _digest() -> str:
    """A digest of all that is asked for. A form's parts count, not the boundary between them."""
    digest = sha256()
    for part in (request.method, request.path, request.query_string.decode("latin-1")):
        digest.update(f"{len(part)}:{part}".encode())
    if request.mimetype != "multipart/form-data":
        digest.update(request.get_data(cache=True))
        return digest.hexdigest()
    for name, file in request.files.items(multi=True):
        content = file.stream.read()
        file.stream.seek(0)
        named = repr((name, file.filename, file.mimetype, sha256(content).hexdigest()))
        digest.update(named.encode("utf-8", "surrogatepass"))
    digest.update(repr(sorted(request.form.items(multi=True))).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _keep(named: tuple[str, str], response: Response) -> None:
    # A stream without a name is another user's, whose call is shared: it cannot be joined again.
    is_anothers = response.is_streamed and STREAM_HEADER not in response.headers
    if response.status_code >= 400 or is_anothers:  # noqa: PLR2004 (nothing was done)
        idempotency.abandon(*named)
        return
    body = None if response.is_streamed else response.get_data()
    kept = {
        name: value
        for name, value in response.headers.items()
        if name in KEPT_HEADERS or name.startswith(KEPT_PREFIX)
    }
    idempotency.finish(*named, FirstAnswer(response.status_code, kept, body))


def _again(principal: Principal, first: FirstAnswer, rejoin: Rejoin | None) -> Response:
    response = _whole(first) or _joined(principal, first.headers, rejoin)
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _whole(first: FirstAnswer) -> Response | None:
    if first.body is None:
        return None
    response = Response(first.body, status=first.status)
    response.headers.update(first.headers)
    return response


def _joined(principal: Principal, headers: Mapping[str, str], rejoin: Rejoin | None) -> Response:
    stream_id = headers.get(STREAM_HEADER)
    if stream_id is None or not headers.get("Content-Type", "").startswith(EVENT_STREAM):
        sentence = "The request was done, but its answer was too large to keep: read what it made."
        raise Conflict(sentence, code="answer_not_kept")
    response = rejoin(principal, stream_id) if rejoin is not None else None
    if response is None:
        sentence = f"The request was done; its answer was stream {stream_id}, which is over."
        raise Conflict(sentence, code="stream_over")
    return response
