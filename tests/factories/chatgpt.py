"""Conversations as ChatGPT exports them."""

from typing import Any

__all__ = ["make_chatgpt", "make_node"]


def make_node(
    role: str, parent: str | None, *parts: Any, kind: str = "text", **message: Any
) -> dict[str, Any]:
    """A node of the mapping with a message of `role` below `parent`."""
    content = {"content_type": kind, "parts": list(parts)}
    return {
        "parent": parent,
        "children": [],
        "message": {
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": 1_700_000_000.25,
            "content": content,
            "status": "finished_successfully",
            "weight": 1.0,
            "recipient": "all",
            "metadata": {},
            **message,
        },
    }


def make_chatgpt(mapping: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A conversation: an empty root, a hidden prompt, a question with two answers, if not said."""
    usual = {
        "root": {"id": "root", "message": None, "parent": None, "children": ["hidden"]},
        "hidden": make_node("system", "root", ""),
        "ask": make_node("user", "hidden", "Why is the sea blue?"),
        "one": make_node("assistant", "ask", "Because.", metadata={"model_slug": "gpt-4o"}),
        "two": make_node("assistant", "ask", "It is not.", metadata={"model_slug": "o3"}),
    }
    return {
        "title": "The sea",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_100.5,
        "mapping": usual if mapping is None else mapping,
        "current_node": "one",
        "moderation_results": [],
        "conversation_id": "c1",
        "is_archived": False,
        **fields,
    }
