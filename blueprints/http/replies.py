"""Answers of models as responses: whole, or as server-sent events, with what `/v1` says of them."""

from collections.abc import Callable, Iterable, Sequence
from string import punctuation
from urllib.parse import quote

from flask import Response

from blueprints.http.event_stream import event_stream
from blueprints.http.limits import show_standing
from services.completions import Line, Reply

__all__ = ["Framing", "respond"]

Framing = Callable[[Iterable[Sequence[Line]]], Iterable[bytes]]


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
        response = event_stream([b"".join(frames(reply.batches()))], headers)
        response.make_sequence()
        return response
    if reply.body is None:
        return event_stream(frames(reply.batches()), headers)
    response = Response(reply.body, mimetype="application/json")
    response.headers.update(headers)
    return response
