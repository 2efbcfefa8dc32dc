"""How hard a model is to think: OpenAI's one word as Anthropic's several fields.

https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from collections.abc import Mapping, Sequence
from typing import Any

from providers.protocol import ChatRequest

__all__ = ["reasoning_fields"]

EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
LEAST_BUDGET = 1024


def reasoning_fields(
    asked: Mapping[str, Any],
    body: Mapping[str, Any],
    output: Mapping[str, Any],
    request: ChatRequest,
) -> dict[str, Any]:
    """The fields `thinking`, `output_config` and, where thoughts need room, `max_tokens`.

    Args:
        asked: the request in OpenAI's shape; its own `thinking` is Anthropic's and goes before.
        body: what is to be sent so far.
        output: what is said of the answer's format.
        request: says what the model can do, as far as the catalogue knows.
    """
    fields: dict[str, Any] = {"output_config": dict(output)} if output else {}
    effort = asked.get("reasoning_effort")
    if "thinking" in asked:
        fields["thinking"] = asked["thinking"]
    elif effort == "none":
        fields["thinking"] = {"type": "disabled"}
    elif isinstance(effort, str) and effort in EFFORTS and _may_think(body):
        fields |= _effort(effort, body, output, request)
    return fields


def _effort(
    effort: str, body: Mapping[str, Any], output: Mapping[str, Any], request: ChatRequest
) -> dict[str, Any]:
    """Adaptive where the model can, or nothing is known of it; else a budget, or nothing."""
    known = request.capabilities
    if not known or "adaptive_thinking" in known:
        fields: dict[str, Any] = {"thinking": {"type": "adaptive"}}
        if not known or "effort" in known:
            fields["output_config"] = {**output, "effort": EFFORTS[effort]}
        return fields
    given = body["max_tokens"]
    if "thinking" not in known or not isinstance(given, int):
        return {}
    # The thoughts count as output: they get room beside the text, as far as the model has any.
    most = max(given, request.max_output_tokens or given + BUDGETS[effort])
    whole = min(given + BUDGETS[effort], most)
    budget = min(BUDGETS[effort], whole - 1)
    if budget < LEAST_BUDGET:
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": whole}


def _may_think(body: Mapping[str, Any]) -> bool:
    """Not where a tool must be called, nor amid calls whose own thoughts are not there any more."""
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") in {"any", "tool"}:
        return False
    turns: Sequence[Mapping[str, Any]] = body["messages"]
    answers = [each for each in turns if each["role"] == "assistant"]
    kinds = [block.get("type") for block in answers[-1]["content"]] if answers else []
    return "tool_use" not in kinds or bool({"thinking", "redacted_thinking"} & set(kinds))
