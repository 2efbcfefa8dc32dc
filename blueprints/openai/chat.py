"""`POST /v1/chat/completions`: streamed or whole."""

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, returns
from blueprints.http.cache_controls import cache_controlled
from blueprints.http.idempotency import idempotent
from blueprints.http.replies import framing, rejoining, replied
from schemas.openai import ChatCall, ChatCompletionSchema, error_data
from services import completions
from services.completions import Line, Reply
from services.principal import Principal
from services.relays import CHAT

__all__ = ["routes"]

routes = Routes("openai_chat", "/v1", "OpenAI-compatible chat completions.")


def _frame(event: Line) -> bytes:
    """An event's line; the engine's own errors take the shape that clients raise."""
    return b"data: %b\n\n" % (error_data(event.data) if event.name == "error" else event.data)


_FRAMES = framing(_frame, sign_of_life=b": keep-alive\n\n")


@routes.post("/chat/completions")
@require("chat:write")
@idempotent(rejoining(_FRAMES))
@body(ChatCompletionSchema)
@returns(description="The completion; with `stream`, its chunks as server-sent events.")
@replied(_FRAMES)
@cache_controlled
def create_completion(principal: Principal, asked: ChatCall) -> Reply:
    """Complete a chat."""
    return completions.answer(principal, asked, CHAT)
