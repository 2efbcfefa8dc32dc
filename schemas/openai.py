"""OpenAI's shapes: chat requests in, completions, chunks and errors out.

https://platform.openai.com/docs/api-reference/chat

Fields that Larder does not know are passed to the provider, as OpenAI clients expect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from marshmallow import INCLUDE, Schema, fields, post_load, validate

from schemas.fields import Flag, Id, Items
from schemas.response_cache import CacheControls, CacheControlsSchema

__all__ = [
    "MAX_MESSAGES",
    "ChatCall",
    "ChatCompletionSchema",
    "Untranslatable",
    "chunk_json",
    "completion_json",
    "error_data",
    "error_json",
    "usage_chunk_json",
]

MAX_MESSAGES = 10_000
_encode = msgspec.json.Encoder().encode


class Untranslatable(NamedTuple):
    """A place of a request that only models of one wire format can be told."""

    field: str
    message: str
    wire_format: str = "anthropic"


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A request for an answer of a model, or for vectors: what Larder decides by, and its body.

    `body` goes to the provider; `plain` in its place to those of OpenAI's format, where it is
    another: there is none where something of it is `untranslatable`. `cache` is what the request
    says of the response cache.
    """

    model: str
    stream: bool
    include_usage: bool
    body: Mapping[str, Any]
    plain: Mapping[str, Any] | None = None
    cache: CacheControls | None = None
    untranslatable: Untranslatable | None = None


class _MessageSchema(Schema):
    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    role = fields.String(required=True, validate=validate.Length(min=1, max=40))


class _StreamOptionsSchema(Schema):
    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    include_usage = Flag(load_default=False)


class ChatCompletionSchema(Schema):
    """The body of `POST /v1/chat/completions`."""

    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    model = Id(required=True)
    messages = Items(
        fields.Nested(_MessageSchema), min_items=1, max_items=MAX_MESSAGES, required=True
    )
    stream = Flag(load_default=False, allow_none=True)
    stream_options = fields.Nested(_StreamOptionsSchema, load_default=None, allow_none=True)
    cache = fields.Nested(CacheControlsSchema, load_default=None, allow_none=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ChatCall:
        """The loaded fields as one value."""
        body = dict(loaded)
        model, stream = body.pop("model"), bool(body.pop("stream", False))
        options = body.pop("stream_options") or {}
        controls = body.pop("cache")  # Larder's own word, never the provider's
        include_usage = bool(options.pop("include_usage", False))
        if stream and options:
            body["stream_options"] = options
        return ChatCall(model, stream, include_usage, body, cache=controls)


def chunk_json(call_id: str, model: str, created_s: int, choice: Mapping[str, Any]) -> bytes:
    """A chunk of one choice (`delta`, `finish_reason`), for providers of another format."""
    whole = {"index": 0, "logprobs": None, **choice}
    return _encode(_envelope("chat.completion.chunk", call_id, model, created_s, [whole]))


def usage_chunk_json(call_id: str, model: str, created_s: int, usage: Mapping[str, Any]) -> bytes:
    """The last chunk of a stream with `include_usage`: no choices, the usage."""
    envelope = _envelope("chat.completion.chunk", call_id, model, created_s, [])
    return _encode({**envelope, "usage": usage})


def completion_json(
    call_id: str,
    model: str,
    created_s: int,
    choice: Mapping[str, Any],
    usage: Mapping[str, Any],
) -> bytes:
    """A whole completion of one choice (`message`, `finish_reason`)."""
    whole = {"index": 0, "logprobs": None, **choice}
    envelope = _envelope("chat.completion", call_id, model, created_s, [whole])
    return _encode({**envelope, "usage": usage})


def error_json(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    """OpenAI's error object."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return _encode({"error": error})


def error_data(raw: bytes) -> bytes:
    """An `error` event's data as clients raise it: a problem object becomes OpenAI's."""
    found = msgspec.json.decode(raw)
    if "error" in found:
        return raw
    return error_json(str(found.get("detail")), "api_error", None, found.get("code"))


def _envelope(
    kind: str, call_id: str, model: str, created_s: int, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{call_id}",
        "object": kind,
        "created": created_s,
        "model": model,
        "choices": choices,
    }
