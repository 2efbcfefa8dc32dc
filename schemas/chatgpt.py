"""ChatGPT's export of a conversation, read as our own.

Its `mapping` is a tree of nodes of which many are no messages that a person saw: roots, hidden
prompts, tools' output. Those are left out, and what hung below them hangs below what stood above.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError

from schemas.conversations import MAX_TITLE_CHARS

__all__ = ["from_chatgpt", "is_chatgpt"]

Node = Mapping[str, Any]

ROLES = frozenset({"user", "assistant"})
PROVIDER = "openai"
IMAGE = "[image]"
MAX_SLUG_CHARS = 200
MAX_LANGUAGE_CHARS = 40


def is_chatgpt(value: object) -> bool:
    """Whether `value` looks like a conversation of ChatGPT's export."""
    return isinstance(value, Mapping) and "mapping" in value


def from_chatgpt(exported: Node) -> dict[str, Any]:
    """A conversation of ChatGPT's export in our own format, not checked for bounds yet.

    Raises:
        ValidationError: its `mapping` is no tree of nodes.
    """
    nodes = exported["mapping"]
    if not isinstance(nodes, dict) or not all(isinstance(each, dict) for each in nodes.values()):
        raise ValidationError("Must be an object of nodes, as ChatGPT exports it.", "mapping")
    shown = {node_id: text for node_id, node in nodes.items() if (text := _shown_text(node))}
    above = _shown_above(nodes, shown)
    messages = [
        _message(nodes[node_id]["message"], node_id, above[node_id], shown[node_id])
        for node_id in _current_last(exported, shown)
    ]
    return {
        "title": _text(exported.get("title"))[:MAX_TITLE_CHARS],
        "system_prompt": _system_prompt(nodes),
        "archived": exported.get("is_archived") is True,
        "created_at": _time(exported.get("create_time")),
        "active_at": _time(exported.get("update_time")),
        "messages": messages,
    }


def _current_last(exported: Node, shown: Mapping[str, str]) -> list[str]:
    """The nodes that are kept, the one that was open last: the default branch is the latest."""
    current = exported.get("current_node")
    return sorted(shown, key=lambda node_id: node_id == current)


def _message(message: Node, node_id: str, parent_id: str | None, text: str) -> dict[str, Any]:
    is_answer = _role(message) == "assistant"
    slug = _part(message, "metadata").get("model_slug")
    has_model = is_answer and isinstance(slug, str) and 0 < len(slug) <= MAX_SLUG_CHARS
    is_partial = message.get("status") == "in_progress"
    return {
        "id": node_id,
        "parent_id": parent_id,
        "role": _role(message),
        "content": text,
        "model": f"{PROVIDER}/{slug}" if has_model else None,
        "status": "cancelled" if is_partial else "complete",
        "created_at": _time(message.get("create_time")),
    }


def _shown_above(nodes: Node, shown: Mapping[str, str]) -> dict[str, str | None]:
    """For each node the nearest one above that is kept; every node is passed once."""
    found: dict[str, str | None] = {}
    for node_id in nodes:
        passed: dict[str, None] = {}
        at = node_id
        while at not in found:
            if at in passed:
                raise ValidationError("Its nodes form a circle.", "mapping")
            passed[at] = None
            above = nodes[at].get("parent")
            if not isinstance(above, str) or above not in nodes:
                found[at] = None
            elif above in shown:
                found[at] = above
            else:
                at = above
        found |= dict.fromkeys(passed, found[at])
    return found


def _part(message: Node, name: str) -> Node:
    part = message.get(name)
    return part if isinstance(part, Mapping) else {}


def _role(message: Node) -> str:
    return _text(_part(message, "author").get("role"))


def _shown_text(node: Node) -> str:
    """What a person saw of a node; empty for none."""
    message = _part(node, "message")
    is_hidden = _part(message, "metadata").get("is_visually_hidden_from_conversation") is True
    if _role(message) not in ROLES or is_hidden:
        return ""
    return _content(message)


def _content(message: Node) -> str:
    content = _part(message, "content")
    kind = _text(content.get("content_type"))
    if kind in {"text", "multimodal_text"}:
        parts = content.get("parts")
        texts = map(_spoken, parts) if isinstance(parts, list) else ()
        return "\n\n".join(each for each in texts if each.strip())
    if kind == "code":
        language = _text(content.get("language"))[:MAX_LANGUAGE_CHARS]
        return f"```{language if language.isalnum() else ''}\n{_text(content.get('text'))}\n```"
    return ""


def _spoken(part: object) -> str:
    """The text of one part of a content; an image is named."""
    if not isinstance(part, Mapping):
        return _text(part)
    if part.get("content_type") == "image_asset_pointer":
        return IMAGE
    return _text(part.get("text"))


def _system_prompt(nodes: Node) -> str | None:
    for node in nodes.values():
        message = _part(node, "message")
        if _role(message) == "system" and (text := _content(message)):
            return text
    return None


def _text(value: object) -> str:
    """`value` if it is text, without NUL, which no database stores."""
    return value.replace("\x00", "") if isinstance(value, str) else ""


def _time(value: object) -> str | None:
    """Seconds since 1970 as RFC 3339; `None` for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
