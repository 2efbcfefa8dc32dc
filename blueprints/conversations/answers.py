"""Asking a model within a conversation: as a stream of events, or as the finished message."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, json_response, returns
from blueprints.http.cache_controls import cache_controlled
from blueprints.http.event_stream import event_stream
from blueprints.http.idempotency import idempotent
from blueprints.http.limits import TOKEN_LIMIT_HEADERS, show_standing
from blueprints.http.notes import header_refs, note
from schemas.answers import Question, QuestionSchema, Regenerate, RegenerateSchema
from schemas.messages import MessageSchema
from services import answers, streams
from services.principal import Principal
from streams import sse

__all__ = ["routes"]

routes = Routes("answers", "/api/conversations", "Asking a model within a conversation.")


def _rejoin(principal: Principal, stream_id: str) -> Response | None:
    """The stream of an earlier answer, from its first event."""
    reader = streams.join_stream(principal.user_id, stream_id, after=-1)
    if reader is None:
        return None
    frames = sse.encode_stream(reader.batches())
    return event_stream(frames, {"X-Larder-Stream-Id": stream_id})


def _sent(view: Callable[..., tuple[answers.Answer, bool]]) -> Callable[..., Response]:
    """Send the answer that a view returns, streamed if it says so."""

    @wraps(view)
    def sent(*args: Any, **kwargs: Any) -> Response:
        answer, streamed = view(*args, **kwargs)
        if not streamed:
            response = json_response(answers.finished_message(answer))
            show_standing(answer.standing)
            response.headers["X-Larder-Cache"] = answer.cache
            return response
        show_standing(answer.standing)
        frames = sse.encode_stream(answer.stream.events().batches())
        told = {"X-Larder-Stream-Id": answer.stream.stream_id, "X-Larder-Cache": answer.cache}
        return event_stream(frames, told)

    named = ["X-Larder-Cache", *TOKEN_LIMIT_HEADERS]
    note(sent, responses={"200": {"headers": header_refs(named)}})
    return sent


@routes.post("/<conversation_id>/messages")
@require("chat:write")
@idempotent(_rejoin)
@body(QuestionSchema)
@returns(MessageSchema, description="The finished message; with `stream`, the events instead.")
@_sent
@cache_controlled
def ask(
    principal: Principal, question: Question, conversation_id: str
) -> tuple[answers.Answer, bool]:
    """Say something and have it answered."""
    return answers.ask(principal, conversation_id, question), question.stream


@routes.post("/<conversation_id>/messages/<message_id>/regenerate")
@require("chat:write")
@idempotent(_rejoin)
@body(RegenerateSchema, required=False)
@returns(MessageSchema, description="The finished message; with `stream`, the events instead.")
@_sent
@cache_controlled
def regenerate(
    principal: Principal, again: Regenerate, conversation_id: str, message_id: str
) -> tuple[answers.Answer, bool]:
    """Have a question answered once more, as a sibling branch."""
    answer = answers.regenerate(principal, conversation_id, message_id, again)
    return answer, again.stream
