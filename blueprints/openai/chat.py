"""`POST /v1/chat/completions`: streamed or whole."""

from collections.abc import Iterable, Iterator, Sequence

from flask import Response

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, returns
from blueprints.http.cache_controls import controlled
from blueprints.http.event_stream import event_stream
from blueprints.http.idempotency import idempotent
from blueprints.http.replies import respond
from schemas.openai import ChatCall, ChatCompletionSchema, error_data
from services import completions, streams
from services.completions import Line
from services.followed_streams import followed
from services.principal import Principal
from services.relays import CHAT

__all__ = ["routes"]

routes = Routes("openai_chat", "/v1", "OpenAI-compatible chat completions.")

KEEP_ALIVE = b": keep-alive\n\n"


def _frames(batches: Iterable[Sequence[Line]]) -> Iterator[bytes]:
    """What is ready together goes out in one write; an empty batch is a sign of life."""
    for batch in batches:
        if batch:
            yield b"".join(b"data: %b\n\n" % _data(event) for event in batch)
        else:
            yield KEEP_ALIVE


def _data(event: Line) -> bytes:
    """An event's line; the engine's own errors take the shape that clients raise."""
    return error_data(event.data) if event.name == "error" else event.data


def _rejoin(principal: Principal, stream_id: str) -> Response | None:
    """The chunks of an earlier answer, from the first."""
    reader = streams.join_stream(principal.user_id, stream_id, after=-1)
    if reader is None:
        return None
    return event_stream(_frames(followed(reader)), {"X-Larder-Stream-Id": stream_id})


@routes.post("/chat/completions")
@require("chat:write")
@idempotent(_rejoin)
@body(ChatCompletionSchema)
@returns(description="The completion; with `stream`, its chunks as server-sent events.")
def create_completion(principal: Principal, asked: ChatCall) -> Response:
    """Complete a chat."""
    return respond(completions.answer(principal, controlled(asked), CHAT), _frames)
