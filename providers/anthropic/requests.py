"""Requests in OpenAI's shape, as the Messages API wants them.

What changes the answer and cannot be said here is refused; hints that have no place are left out;
what Larder does not know is passed on, so that Anthropic's own fields work.
"""

from collections.abc import Mapping
from typing import Any

from providers.anthropic.messages import turns_and_system
from providers.anthropic.thinking import reasoning_fields
from providers.protocol import ChatRequest, ProviderRejected

__all__ = ["messages_body"]

DEFAULT_MAX_TOKENS = 8192
"""Anthropic wants a limit; this one where neither the request nor the catalogue has any."""
TRANSLATED = frozenset(
    {
        "messages", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens",
        "temperature", "top_p", "stop", "tools", "tool_choice", "parallel_tool_calls", "user",
        "metadata", "reasoning_effort", "response_format", "service_tier", "thinking", "n",
        "logprobs", "top_logprobs", "modalities", "audio", "functions", "function_call",
        "output_config",
    }
)  # fmt: skip
LEFT_OUT = frozenset(
    {
        "frequency_penalty", "presence_penalty", "logit_bias", "seed", "store", "prediction",
        "verbosity", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
        "include_reasoning", "reasoning",
    }
)  # fmt: skip
"""Hints to other providers, which the Messages API would refuse."""
TIERS = ("auto", "standard_only")
JSON_ONLY = "Answer with one JSON object and nothing else."


def messages_body(request: ChatRequest) -> dict[str, Any]:
    """The body of `POST /v1/messages` for a request.

    Raises:
        ProviderRejected: the request asks for what this API cannot give, naming the field.
    """
    asked = {name: value for name, value in request.body.items() if value is not None}
    _refuse_what_cannot_be(asked)
    turns, system = turns_and_system(asked.get("messages"))
    output, is_json = _output(asked)
    if is_json:
        system.append({"type": "text", "text": JSON_ONLY})
    body: dict[str, Any] = {
        name: value for name, value in asked.items() if name not in TRANSLATED | LEFT_OUT
    }
    body |= {"model": request.model, "messages": turns, "stream": request.stream}
    body["max_tokens"] = _max_tokens(asked, request.max_output_tokens)
    if system:
        body["system"] = system
    body |= _tools(asked) | _limits(asked)
    body |= reasoning_fields(asked, body, output, request)
    if _thinks(body.get("thinking")):  # which is refused beside a temperature
        body.pop("temperature", None)
    return body


def _thinks(thinking: Any) -> bool:
    return isinstance(thinking, Mapping) and thinking.get("type") in {"enabled", "adaptive"}


def _refuse_what_cannot_be(asked: Mapping[str, Any]) -> None:
    several = isinstance(asked.get("n"), int) and asked["n"] > 1
    spoken = isinstance(asked.get("modalities"), list) and "audio" in asked["modalities"]
    refused = {
        "n": several,
        "logprobs": bool(asked.get("logprobs")) or bool(asked.get("top_logprobs")),
        "modalities": spoken,
        "functions": bool(asked.get("functions")),
    }
    for name, is_refused in refused.items():
        if is_refused:
            raise ProviderRejected(f"This model's provider has no “{name}”.", param=name)


def _max_tokens(asked: Mapping[str, Any], most: int | None) -> Any:
    given = asked.get("max_completion_tokens", asked.get("max_tokens"))
    return (most or DEFAULT_MAX_TOKENS) if given is None else given


def _limits(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Sampling, stops, the user and the tier."""
    fields: dict[str, Any] = {}
    if "temperature" in asked:  # OpenAI's scale ends at 2, this one at 1
        temperature = asked["temperature"]
        is_number = isinstance(temperature, int | float)
        fields["temperature"] = min(temperature, 1.0) if is_number else temperature
    elif "top_p" in asked:  # some models refuse the two together
        fields["top_p"] = asked["top_p"]
    stop = asked.get("stop")
    if stop:
        fields["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    about = asked.get("metadata")
    user = asked.get("user") or (about.get("user_id") if isinstance(about, Mapping) else None)
    if isinstance(user, str) and user:
        fields["metadata"] = {"user_id": user}
    if asked.get("service_tier") in TIERS:
        fields["service_tier"] = asked["service_tier"]
    return fields


def _output(asked: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What is said of the answer's format, and whether it is only to be JSON of some kind."""
    given = asked.get("output_config")
    output = dict(given) if isinstance(given, Mapping) else {}
    wanted = asked.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if isinstance(wanted, Mapping) and kind == "json_schema":
        described = wanted.get("json_schema")
        schema = described.get("schema") if isinstance(described, Mapping) else None
        if not isinstance(schema, Mapping):
            raise ProviderRejected("It must have a schema.", param="response_format")
        output["format"] = {"type": "json_schema", "schema": schema}
    return output, kind == "json_object"


def _tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    tools = asked.get("tools")
    if not isinstance(tools, list | tuple) or not tools:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(each) for each in tools]}
    choice = _choice(asked.get("tool_choice"))
    if asked.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        fields["tool_choice"] = choice
    return fields


def _tool(tool: Any) -> Any:
    """A function as a tool; what is none is one of Anthropic's own and goes as it is."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        return tool
    said = {
        "name": function.get("name"),
        "description": function.get("description"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
        "strict": function.get("strict") or None,
        **{name: value for name, value in tool.items() if name not in {"type", "function"}},
    }
    return {name: value for name, value in said.items() if value is not None}


def _choice(choice: Any) -> dict[str, Any] | None:
    if isinstance(choice, str):
        return {"type": {"required": "any"}.get(choice, choice)}
    if not isinstance(choice, Mapping):
        return None
    function = choice.get("function")
    if isinstance(function, Mapping):
        return {"type": "tool", "name": function.get("name")}
    return dict(choice)
