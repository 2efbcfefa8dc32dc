"""Tokens by size, for what no provider has counted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.protocol import ProviderError, Usage
from streams.outcome import Outcome

__all__ = ["estimate_answer", "estimate_prompt", "estimate_tokens", "usage_of_failure"]

BYTES_PER_TOKEN = 4


def estimate_tokens(text: str, *, beside_chars: int = 0) -> int:
    """The tokens of a text whose provider never counts them: a quarter of its bytes, rounded up.

    `beside_chars` are characters that were counted and not kept.
    """
    size_bytes = len(text.encode("utf-8", "surrogatepass")) + beside_chars
    return -(-size_bytes // BYTES_PER_TOKEN)


def estimate_prompt(body: Mapping[str, Any]) -> int:
    """The tokens of a request's messages, or of what it wants embedded, by their size."""
    asked = body.get("messages") or body.get("input")
    return estimate_tokens(_text_of(asked)) + _tokens_in(asked)


def estimate_answer(outcome: Outcome, prompt_tokens: int) -> Usage:
    """The tokens of an answer whose provider never said, by the size of what came.

    Args:
        outcome: what came; the prompt is as the provider counted it, if it did, and the answer no
            less than it had counted by then.
        prompt_tokens: else the prompt's tokens.
    """
    called = _text_of([call["function"] for call in outcome.tool_calls])
    written = outcome.text + outcome.reasoning + called
    counted = outcome.prompt_usage or Usage(prompt_tokens, 0)
    said = estimate_tokens(written, beside_chars=outcome.beside_chars)
    return replace(counted, output_tokens=max(said, counted.output_tokens))


def usage_of_failure(
    fault: ProviderError, said: Usage | None, prompt_tokens: int
) -> tuple[Usage, bool]:
    """The tokens of a try without an answer, and whether they are estimated.

    Args:
        fault: why there is none.
        said: what the provider counted all the same.
        prompt_tokens: what it may take for having read the prompt.
    """
    if said is not None:
        return said, False
    return Usage(prompt_tokens if fault.may_have_cost else 0, 0), fault.may_have_cost


def _text_of(value: object) -> str:
    """All the text in a message list, however it is nested; images and the like count nothing."""
    if isinstance(value, str):
        return "" if value.startswith("data:") else value
    if isinstance(value, Mapping):
        return "".join(_text_of(each) for each in value.values())
    if isinstance(value, list | tuple):
        return "".join(_text_of(each) for each in value)
    return ""


def _tokens_in(value: object) -> int:
    """How many tokens stand in a list of them, or in a list of such lists."""
    if isinstance(value, list):
        return sum(_tokens_in(each) for each in value)
    return int(type(value) is int)
