"""Tokens by size, for what no provider has counted."""

from collections.abc import Mapping
from typing import Any

from services.costs.ledger import estimate_tokens

__all__ = ["estimate_prompt", "text_of"]


def estimate_prompt(body: Mapping[str, Any]) -> int:
    """The tokens of a request's messages, or of what it wants embedded, by their size."""
    asked = body.get("messages") or body.get("input")
    return estimate_tokens(text_of(asked)) + _tokens_in(asked)


def text_of(value: object) -> str:
    """All the text in a message list, however it is nested; images and the like count nothing."""
    if isinstance(value, str):
        return "" if value.startswith("data:") else value
    if isinstance(value, Mapping):
        return "".join(text_of(each) for each in value.values())
    if isinstance(value, list | tuple):
        return "".join(text_of(each) for each in value)
    return ""


def _tokens_in(value: object) -> int:
    """How many tokens stand in a list of them, or in a list of such lists."""
    if isinstance(value, list):
        return sum(_tokens_in(each) for each in value)
    return int(type(value) is int)
