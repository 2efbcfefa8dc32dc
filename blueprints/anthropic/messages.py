"""`POST /v1/messages`: streamed or whole; `POST /v1/messages/count_tokens`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, g

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, returns
from blueprints.http.cache_controls import controlled
from blueprints.http.event_stream import event_stream
from blueprints.http.idempotency import idempotent, repeatable
from blueprints.http.replies import respond
from schemas.anthropic.answers import error_data
from schemas.anthropic.requests import CountSchema, MessagesSchema
from schemas.openai import ChatCall
from services import completions, streams
from services.completions import Line
from services.followed_streams import followed
from services.principal import Principal
from services.relays import MESSAGES

__all__ = ["routes"]

routes = Routes("anthropic_messages", "/v1/messages", "Anthropic-compatible messages.")

PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def _frames(batches: Iterable[Sequence[Line]]) -> Iterator[bytes]:
    """What is ready together goes out in one write; an empty batch is a sign of life."""
    for batch in batches:
        if batch:
            yield b"".join(
                b"event: %b\ndata: %b\n\n" % (event.name.encode(), _data(event)) for event in batch
            )
        else:
            yield PING


def _data(event: Line) -> bytes:
    return error_data(event.data) if event.name == "error" else event.data


def _rejoin(principal: Principal, stream_id: str) -> Response | None:
    """The events of an earlier answer, from the first."""
    reader = streams.join_stream(principal.user_id, stream_id, after=-1)
    if reader is None:
        return None
    return event_stream(_frames(followed(reader)), {"X-Larder-Stream-Id": stream_id})


@routes.post("")
@require("chat:write")
@idempotent(_rejoin)
@body(MessagesSchema)
@returns(description="The message; with `stream`, its events.")
def create_message(principal: Principal, asked: ChatCall) -> Response:
    """Have a model write the next message."""
    response = respond(completions.answer(principal, controlled(asked), MESSAGES), _frames)
    response.headers["request-id"] = g.request_id
    return response


@routes.post("/count_tokens")
@require("models:read")
@repeatable("it changes and spends nothing")
@body(CountSchema)
@returns(description="The estimate, and that it is one.")
def count_tokens(principal: Principal, asked: ChatCall) -> dict[str, Any]:
    """Estimate the tokens of a request, by its size: no provider is asked."""
    del principal
    return {"input_tokens": completions.estimate_input(asked), "estimated": True}
