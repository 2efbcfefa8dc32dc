"""`POST /v1/messages`: streamed or whole; `POST /v1/messages/count_tokens`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, json_response, returns
from blueprints.http.cache_controls import cache_controlled
from blueprints.http.idempotency import idempotent, repeatable
from blueprints.http.notes import Header, header_refs, note, takes
from blueprints.http.replies import framing, rejoining, replied
from schemas.anthropic.answers import error_data
from schemas.anthropic.requests import CountSchema, MessagesSchema, with_betas
from schemas.openai import ChatCall
from services import completions
from services.completions import Line, Reply
from services.errors import Invalid
from services.principal import Principal
from services.relays import MESSAGES

__all__ = ["routes"]

BETA = Header("anthropic-beta", "Betas to turn on, for Anthropic's own models.")
routes = Routes("anthropic_messages", "/v1/messages", "Anthropic-compatible messages.")


def _frame(event: Line) -> bytes:
    data = error_data(event.data) if event.name == "error" else event.data
    return b"event: %b\ndata: %b\n\n" % (event.name.encode(), data)


_FRAMES = framing(_frame, sign_of_life=b'event: ping\ndata: {"type":"ping"}\n\n')


def _named_twice(view: Callable[..., Response]) -> Callable[..., Response]:
    """Send the request's id under Anthropic's name for it as well."""

    @wraps(view)
    def sent(*args: Any, **kwargs: Any) -> Response:
        response = view(*args, **kwargs)
        response.headers["request-id"] = g.request_id
        return response

    note(sent, responses={"200": {"headers": header_refs(["request-id"])}})
    return sent


@routes.post("")
@require("chat:write")
@idempotent(rejoining(_FRAMES))
@body(MessagesSchema)
@returns(description="The message; with `stream`, its events.")
@_named_twice
@replied(_FRAMES)
@cache_controlled
@takes(BETA)
def create_message(principal: Principal, asked: ChatCall, anthropic_beta: str | None) -> Reply:
    """Have a model write the next message."""
    if anthropic_beta:
        try:
            asked = with_betas(asked, anthropic_beta)
        except ValueError as fault:
            raise Invalid.field(BETA.name, str(fault)) from fault
    return completions.answer(principal, asked, MESSAGES)


@routes.post("/count_tokens")
@require("models:read")
@repeatable("it changes and spends nothing")
@body(CountSchema)
@returns(description="The estimate, and that it is one.")
@_named_twice
def count_tokens(principal: Principal, asked: ChatCall) -> Response:
    """Estimate the tokens of a request, by its size: no provider is asked."""
    del principal
    return json_response({"input_tokens": completions.estimate_input(asked), "estimated": True})
