"""Answers of models as responses: whole, or as server-sent events, with what `/v1` says of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from string import punctuation
from typing import Any
from urllib.parse import quote

from flask import Response

from blueprints.http.event_stream import event_stream
from blueprints.http.idempotency import Rejoin
from blueprints.http.limits import TOKEN_LIMIT_HEADERS, show_standing
from blueprints.http.notes import header_refs, note
from services import streams
from services.completions import Line, Reply
from services.followed_streams import followed
from services.principal import Principal

__all__ = ["Framing", "framing", "rejoining", "replied", "respond"]

Framing = Callable[[Iterable[Sequence[Line]]], Iterable[bytes]]
HEADERS = header_refs(
    [
        "X-Larder-Cache",
        "X-Larder-Stream-Id",
        "X-Larder-Model",
        "X-Larder-Cost-Usd",
        *TOKEN_LIMIT_HEADERS,
    ]
)


def framing(frame: Callable[[Line], bytes], sign_of_life: bytes) -> Framing:
    """How a client's dialect writes events: what is ready together goes out in one write.

    Args:
        frame: an event's bytes.
        sign_of_life: what is written for an empty batch.
    """

    def frames(batches: Iterable[Sequence[Line]]) -> Iterator[bytes]:
        for batch in batches:
            yield b"".join(map(frame, batch)) if batch else sign_of_life

    return frames


def rejoining(frames: Framing) -> Rejoin:
    """How a stream that a repeated request had begun is read again, from its first event."""

    def rejoin(principal: Principal, stream_id: str) -> Response | None:
        reader = streams.join_stream(principal.user_id, stream_id, after=-1)
        if reader is None:
            return None
        return event_stream(frames(followed(reader)), {"X-Larder-Stream-Id": stream_id})

    return rejoin


def replied(frames: Framing) -> Callable[[Callable[..., Reply]], Callable[..., Response]]:
    """Send the `Reply` that a view returns.

    Args:
        frames: how events are written for the client that asked.
    """

    def decorate(view: Callable[..., Reply]) -> Callable[..., Response]:
        @wraps(view)
        def sent(*args: Any, **kwargs: Any) -> Response:
            return respond(view(*args, **kwargs), frames)

        note(sent, responses={"200": {"headers": HEADERS}})
        sent.is_relayed = True  # type: ignore[attr-defined]  # it has no ETag, says `returns` then
        return sent

    return decorate


def respond(reply: Reply, frames: Framing) -> Response:
    """The response of `reply`.

    Args:
        reply: the answer.
        frames: how events are written for the client that asked.
    """
    show_standing(reply.standing)
    headers = {"X-Larder-Cache": reply.cache}
    if reply.stream_id is not None:
        headers["X-Larder-Stream-Id"] = reply.stream_id
    if reply.model is not None:  # what is not ASCII is percent-encoded
        headers["X-Larder-Model"] = quote(reply.model, safe=punctuation)
    if reply.cost_usd is not None:
        headers["X-Larder-Cost-Usd"] = reply.cost_usd
    if reply.is_ready and reply.body is None:
        return event_stream(b"".join(frames(reply.batches())), headers)
    if reply.body is None:
        return event_stream(frames(reply.batches()), headers)
    response = Response(reply.body, mimetype="application/json")
    response.headers.update(headers)
    return response
