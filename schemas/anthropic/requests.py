"""A Messages request as the chat completion it asks for.

https://docs.anthropic.com/en/api/messages

Fields that neither format shares are passed on, so that a provider of Anthropic's gets all that its
own client said; `plain` is the same request for providers of OpenAI's format, if they can be told.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, post_load, validate

from schemas.anthropic.contents import chat_messages, plain_messages, system_message
from schemas.anthropic.own import first_untranslatable, is_own_tool
from schemas.anthropic.strictness import takes_strictly
from schemas.fields import Flag, Id, Items, WholeNumber
from schemas.openai import MAX_MESSAGES, ChatCall
from schemas.response_cache import CacheControlsSchema

__all__ = ["CountSchema", "MessagesSchema", "with_betas", "with_known_limit"]

MAX_TOKENS = 10**9
MAX_LISTED = 10_000
ROLES = ("user", "assistant")
RENAMED = {"stop_sequences": "stop"}
ONLY_ANTHROPICS = frozenset(
    {
        "thinking", "top_k", "metadata", "container", "mcp_servers", "cache_control",
        "output_config", "service_tier", "inference_geo", "speed", "context_management",
        "diagnostics", "user_profile_id", "anthropic_beta",
    }
)  # fmt: skip
BETAS = "anthropic_beta"
"""Where other ways to Anthropic's models have the header of that name: within the body."""
BETA_NAMES = re.compile(r"[A-Za-z0-9._-]{1,100}(, ?[A-Za-z0-9._-]{1,100}){0,49}")
TAKES_COMPLETION_TOKENS = re.compile(r"(^|/)(o\d|gpt-5)")
"""OpenAI's reasoning models, which know `max_completion_tokens` only; others know the old name."""
EFFORTS = ((4096, "low"), (16384, "medium"))
SAID_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
TOOL_FIELDS = frozenset({"type", "name", "description", "input_schema"})
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class _TurnSchema(Schema):
    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    content = fields.Raw(
        required=True, metadata={"description": "Text, or a list of content blocks."}
    )


class CountSchema(Schema):
    """The body of `POST /v1/messages/count_tokens`."""

    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    model = Id(required=True)
    messages = Items(fields.Nested(_TurnSchema), min_items=1, max_items=MAX_MESSAGES, required=True)
    system = fields.Raw(metadata={"description": "Text, or a list of text blocks."})
    tools = Items(fields.Dict(keys=fields.String()), max_items=MAX_LISTED)
    tool_choice = fields.Dict(keys=fields.String())
    stop_sequences = Items(fields.String(), max_items=MAX_LISTED)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ChatCall:
        """The request as a chat completion."""
        body = dict(loaded)
        model, stream = body.pop("model"), bool(body.pop("stream", False))
        controls = body.pop("cache", None)
        chat = _chat_body(body)
        own = first_untranslatable(loaded)
        return ChatCall(
            model,
            stream,
            include_usage=True,
            body=chat,
            plain=_plain_body(chat) if own is None else None,
            cache=controls,
            untranslatable=own,
        )


class MessagesSchema(CountSchema):
    """The body of `POST /v1/messages`."""

    max_tokens = WholeNumber(low=1, high=MAX_TOKENS, required=True)
    stream = Flag(load_default=False, allow_none=True)
    cache = fields.Nested(CacheControlsSchema, load_default=None, allow_none=True)


def with_betas(asked: ChatCall, said: str) -> ChatCall:
    """The request with the betas that its client turns on, for Anthropic's own models.

    They are part of what is asked: the response cache goes by them as well.

    https://platform.claude.com/docs/en/api/beta-headers

    Args:
        asked: the request.
        said: the header `anthropic-beta`.

    Raises:
        ValueError: it is no list of names.
    """
    if not BETA_NAMES.fullmatch(said):
        raise ValueError("Must be up to 50 names of betas with commas between.")
    return replace(asked, body={**asked.body, BETAS: [name.strip() for name in said.split(",")]})


def _chat_body(body: dict[str, Any]) -> dict[str, Any]:
    turns = chat_messages(body.pop("messages"))
    chat: dict[str, Any] = {"messages": [*system_message(body.pop("system", None)), *turns]}
    if "tools" in body:
        tools = body.pop("tools")
        chat["tools"] = [_tool(each, f"tools.{number}") for number, each in enumerate(tools)]
    if "tool_choice" in body:
        chat |= _tool_choice(body.pop("tool_choice"))
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(metadata.get("user_id"), str):
        chat["user"] = metadata["user_id"]
    return chat | {RENAMED.get(name, name): value for name, value in body.items()}


def with_known_limit(model: str, plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request of OpenAI's format with its limit named as the model knows it.

    Args:
        model: the one that is asked, by its provider's name, whatever the client called it.
        plain: the request, with `max_tokens`.
    """
    if "max_tokens" not in plain or not TAKES_COMPLETION_TOKENS.search(model):
        return plain
    named = dict(plain)
    named["max_completion_tokens"] = named.pop("max_tokens")
    return named


def _plain_body(chat: Mapping[str, Any]) -> dict[str, Any]:
    """The request without what only Anthropic knows, in the nearest words of OpenAI's."""
    plain = {name: value for name, value in chat.items() if name not in ONLY_ANTHROPICS}
    plain["messages"] = plain_messages(chat["messages"])
    if "tools" in plain:
        plain["tools"] = [_plain_tool(each) for each in plain["tools"]]
    plain |= _plain_output(chat.get("thinking"), chat.get("output_config"))
    return plain


def _plain_output(thinking: object, output: object) -> dict[str, Any]:
    """How hard to think, where that is wanted at all, and the schema of the answer."""
    fields: dict[str, Any] = {}
    output = output if isinstance(output, Mapping) else {}
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if isinstance(thinking, Mapping) and kind == "enabled":
        fields["reasoning_effort"] = _effort(thinking.get("budget_tokens"))
    elif kind == "adaptive" and (effort := SAID_EFFORTS.get(str(output.get("effort")))):
        fields["reasoning_effort"] = effort
    wanted = output.get("format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        schema = wanted.get("schema")
        named: dict[str, Any] = {"name": "answer", "schema": schema}
        if takes_strictly(schema):
            named["strict"] = True
        fields["response_format"] = {"type": "json_schema", "json_schema": named}
    return fields


def _plain_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    if tool.get("strict") is True and takes_strictly(function["parameters"]):
        function = {**function, "strict": True}
    return {"type": tool["type"], "function": function}


def _effort(budget: object) -> str:
    tokens = budget if isinstance(budget, int) else 0
    return next((effort for most, effort in EFFORTS if tokens <= most), "high")


def _tool(tool: Mapping[str, Any], where: str) -> dict[str, Any]:
    if is_own_tool(tool):
        return dict(tool)
    if tool.get("type") not in (None, "custom"):
        shown = str(tool["type"])[:60]
        raise ValidationError(f"Tools of type “{shown}” are not supported.", f"{where}.type")
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise ValidationError("Must be text.", f"{where}.name")
    function: dict[str, Any] = {"name": tool["name"]}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema") or {"type": "object", "properties": {}}
    own = {name: value for name, value in tool.items() if name not in TOOL_FIELDS}
    return {**own, "type": "function", "function": function}


def _tool_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    kind = choice.get("type")
    if kind == "tool" and isinstance(choice.get("name"), str):
        said: dict[str, Any] = {
            "tool_choice": {"type": "function", "function": {"name": choice["name"]}}
        }
    elif isinstance(kind, str) and kind in CHOICES:
        said = {"tool_choice": CHOICES[kind]}
    else:
        words: Sequence[str] = (*CHOICES, "tool")
        raise ValidationError(f"Must be one of {', '.join(words)}.", "tool_choice.type")
    if choice.get("disable_parallel_tool_use"):
        said["parallel_tool_calls"] = False
    return said
