"""What of a Messages request is Anthropic's own: tools that it runs or knows, and blocks of theirs.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview

It goes to Anthropic's models as it is, whatever it holds. Models of other providers cannot be told:
the first place of it is named.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.openai import Untranslatable

__all__ = ["first_untranslatable", "is_own_block", "is_own_tool"]

TRANSLATED = frozenset(
    {"text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result"}
)
NOBODYS = frozenset({"", "image_url", "file", "input_audio", "refusal"})
"""OpenAI's kinds, which the adapter takes for what they are there."""
SHOWN = ("image", "document")
SOURCES = ("base64", "url", "text")
TOOLS = ("", "custom", "function")


def is_own_tool(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is known by its type alone, without a schema."""
    kind = tool.get("type")
    return isinstance(kind, str) and kind not in TOOLS


def is_own_block(block: Mapping[str, Any]) -> bool:
    """Whether a block is of a kind, or from a source, that only Anthropic has."""
    kind = block.get("type")
    if not isinstance(kind, str):
        return False
    if kind in SHOWN:
        source = block.get("source")
        of = source.get("type") if isinstance(source, Mapping) else None
        return isinstance(of, str) and of not in SOURCES
    return kind not in TRANSLATED and kind not in NOBODYS


def first_untranslatable(body: Mapping[str, Any]) -> Untranslatable | None:
    """The first that models of other providers cannot be told, if there is any.

    Args:
        body: the request in Anthropic's words, in which all else is known to be right.
    """
    for number, tool in enumerate(body.get("tools") or ()):
        if is_own_tool(tool):
            shown = tool["type"][:60]
            message = f"Tools of type “{shown}” are not supported by this model's provider."
            return Untranslatable(f"tools.{number}.type", message)
    if body.get("mcp_servers"):
        return Untranslatable("mcp_servers", "This model's provider connects to none.")
    contents = (each["content"] for each in body["messages"])
    found = (_first_in(each, f"messages.{n}.content") for n, each in enumerate(contents))
    return next((each for each in found if each is not None), None)


def _first_in(content: object, where: str) -> Untranslatable | None:
    blocks: Iterable[Mapping[str, Any]] = content if isinstance(content, list) else ()
    for number, block in enumerate(blocks):
        place = f"{where}.{number}"
        if is_own_block(block):
            return _refusal(block, place)
        if block.get("type") == "tool_result":
            found = _first_in(block.get("content"), f"{place}.content")
            if found is not None:
                return found
    return None


def _refusal(block: Mapping[str, Any], place: str) -> Untranslatable:
    if block["type"] in SHOWN:
        return Untranslatable(f"{place}.source.type", "Must be base64 or url for this model.")
    shown = block["type"][:60]
    message = f"Blocks of type “{shown}” are not supported by this model's provider."
    return Untranslatable(f"{place}.type", message)
