"""Anthropic's messages as OpenAI's: text, images, documents, tools called and what they gave.

https://docs.anthropic.com/en/api/messages

What OpenAI's format has no word for stays as adapters of Anthropic's format read it: thoughts where
they stood (an answer must come back as it was given), images in a tool's result, `cache_control`,
Anthropic's own blocks. `plain_messages` takes it out for others; own blocks it is not to meet.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from marshmallow import ValidationError

from schemas.anthropic.own import is_own_block

__all__ = ["chat_messages", "plain_messages", "system_message"]

ONLY_ANTHROPICS = frozenset({"cache_control", "is_error", "citations", "context", "toolset_name"})
SAID_OF_DOCUMENTS = ("title", "context", "citations")
THINKING = ("thinking", "redacted_thinking")
CALL_FIELDS = frozenset({"type", "id", "name", "input", "cache_control"})
Block = Mapping[str, Any]


def system_message(system: object) -> list[dict[str, Any]]:
    """The system prompt, text or blocks of text, as a message; none for an empty one.

    Raises:
        ValidationError: it is something else.
    """
    if not system:
        return []
    if isinstance(system, str):
        return [{"role": "system", "content": system}]
    parts = [_text_part(block, where) for where, block in _blocks(system, "system")]
    return [{"role": "system", "content": _lean(parts)}]


def chat_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Anthropic's turns as OpenAI's messages; one turn with results of tools becomes several.

    Raises:
        ValidationError: a block is not what it must be; the field is named.
    """
    found: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        where = f"messages.{number}.content"
        content = message.get("content")
        if isinstance(content, str):
            found.append({"role": message["role"], "content": content})
        elif message["role"] == "assistant":
            found.append(_answer(content, where))
        else:
            found.extend(_turn(content, where))
    return found


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages without what only Anthropic knows; images in results are the user's."""
    found: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for message in messages:
        plain = _without(message)
        content = plain["content"]
        if message["role"] == "tool" and (shown := _images(content)):
            images += shown
            plain["content"] = _lean([part for part in content if part["type"] == "text"])
        elif message["role"] == "user" and images:
            said = [{"type": "text", "text": content}] if isinstance(content, str) else content
            plain["content"] = [*images, *(part for part in said if part.get("text") != "")]
            images = []
        found.append(plain)
    return found


def _images(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is no text: pictures and files, which OpenAI's format has a user show."""
    parts = [] if isinstance(content, str) else content
    return [each for each in parts if each["type"] not in {"text", "document"}]


def _without(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = _stripped(message)
    if isinstance(kept["content"], list):
        said = [part for part in kept["content"] if part["type"] not in (*THINKING, "tool_use")]
        placed = [part for part in kept["content"] if part["type"] == "tool_use"]
        if placed:
            kept["tool_calls"] = [*(_call(each) for each in placed), *kept.get("tool_calls", ())]
        parts = [_plain_part(part) for part in said]
        kept["content"] = _lean(parts, _joint(message["role"])) if parts else None
    if "tool_calls" in kept:
        kept["tool_calls"] = [_stripped(call) for call in kept["tool_calls"]]
    return kept


def _plain_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "document":  # a written one, with more than its text
        return {"type": "text", "text": part["source"]["data"]}
    return _stripped(part)


def _stripped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in ONLY_ANTHROPICS}


def _turn(content: object, where: str) -> Iterator[dict[str, Any]]:
    """What tools gave first, each as a message of its own, then what the user says.

    Images among the results have the user say something, if nothing: `plain_messages` shows them.
    """
    parts: list[dict[str, Any]] = []
    has_images = False
    for place, block in _blocks(content, where):
        if block.get("type") == "tool_result":
            result = _result(block, place)
            has_images = has_images or bool(_images(result["content"]))
            yield result
        else:
            parts.append(_part(block, place))
    if parts or has_images:
        yield {"role": "user", "content": _lean(parts)}


def _answer(content: object, where: str) -> dict[str, Any]:
    """What the model said, then what it called; a call that this would move, or lessen, stays."""
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for place, block in reversed(list(_blocks(content, where))):
        if block.get("type") == "tool_use":
            _check_call(block, place)
            if parts or not _is_plain_call(block):
                parts.append(dict(block))
            else:
                calls.append(_call(block))
        elif block.get("type") in THINKING or is_own_block(block):
            parts.append(dict(block))
        else:
            part = _text_part(block, place)
            cited = block.get("citations")
            parts.append({**part, "citations": cited} if cited else part)
    parts.reverse()
    calls.reverse()
    said = _lean(parts, _joint("assistant")) if parts else None
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if calls:
        message["tool_calls"] = calls
    return message


def _check_call(block: Block, where: str) -> None:
    if not isinstance(block.get("input"), Mapping):
        raise ValidationError("Must be an object.", f"{where}.input")
    for name in ("name", "id"):
        _said(block, name, where)


def _is_plain_call(block: Block) -> bool:
    """Whether it says no more than a call of OpenAI's; who called it, say, stands beside."""
    return all(name in CALL_FIELDS for name, value in block.items() if value is not None)


def _call(block: Block) -> dict[str, Any]:
    arguments = msgspec.json.encode(block["input"]).decode()
    function = {"name": block["name"], "arguments": arguments}
    return _marked({"id": block["id"], "type": "function", "function": function}, block)


def _result(block: Block, where: str) -> dict[str, Any]:
    content = block.get("content", "")
    if not isinstance(content, str):
        parts = [_part(each, place) for place, each in _blocks(content, f"{where}.content")]
        content = _lean(parts)
    message = {
        "role": "tool",
        "tool_call_id": _said(block, "tool_use_id", where),
        "content": content,
    }
    if block.get("is_error"):
        message["is_error"] = True
    if block.get("toolset_name"):
        message["toolset_name"] = block["toolset_name"]
    return _marked(message, block)


def _part(block: Block, where: str) -> dict[str, Any]:
    kind = block.get("type")
    if is_own_block(block):
        return dict(block)
    if kind == "image":
        part: dict[str, Any] = {"type": "image_url", "image_url": {"url": _source(block, where)}}
    elif kind == "document":
        return _document(block, where)
    else:
        return _text_part(block, where)
    return _marked(part, block)


def _text_part(block: Block, where: str) -> dict[str, Any]:
    if block.get("type") != "text":
        shown = str(block.get("type"))[:60]
        raise ValidationError(f"Blocks of type “{shown}” are not supported here.", f"{where}.type")
    text = block.get("text")
    if not isinstance(text, str):
        raise ValidationError("Must be text.", f"{where}.text")
    return _marked({"type": "text", "text": text}, block)


def _document(block: Block, where: str) -> dict[str, Any]:
    source = block.get("source")
    about = {name: block[name] for name in SAID_OF_DOCUMENTS if block.get(name)}
    if isinstance(source, Mapping) and source.get("type") == "text":
        text = _said(source, "data", f"{where}.source")
        return dict(block) if about else _marked({"type": "text", "text": text}, block)
    file = {"file_data": _source(block, where), "filename": about.pop("title", "document.pdf")}
    return _marked({"type": "file", "file": file, **about}, block)


def _source(block: Block, where: str) -> str:
    """Where the bytes of an image or document are: a URL, or a data URL that holds them."""
    source, place = block.get("source"), f"{where}.source"
    if not isinstance(source, Mapping):
        raise ValidationError("Must be an object.", place)
    if source.get("type") == "url":
        return _said(source, "url", place)
    if source.get("type") == "base64":
        media_type = _said(source, "media_type", place)
        return f"data:{media_type};base64,{_said(source, 'data', place)}"
    raise ValidationError("Must be base64 or url.", f"{place}.type")


def _marked(part: dict[str, Any], block: Block) -> dict[str, Any]:
    if block.get("cache_control"):
        part["cache_control"] = block["cache_control"]
    return part


def _joint(role: object) -> str:
    """What stands between texts: nothing in an answer, which models cut where they cite."""
    return "" if role == "assistant" else "\n"


def _lean(parts: list[dict[str, Any]], joint: str = "\n") -> str | list[dict[str, Any]]:
    """Text alone as text, which every provider reads."""
    if all(part.keys() == {"type", "text"} for part in parts):
        return joint.join(part["text"] for part in parts)
    return parts


def _blocks(content: object, where: str) -> Iterator[tuple[str, Block]]:
    if not isinstance(content, list):
        raise ValidationError("Must be text or a list of blocks.", where)
    for number, block in enumerate(content):
        place = f"{where}.{number}"
        if not isinstance(block, Mapping):
            raise ValidationError("Must be an object.", place)
        yield place, block


def _said(block: Block, name: str, where: str) -> str:
    value = block.get(name)
    if not isinstance(value, str) or not value:
        raise ValidationError("Must be text.", f"{where}.{name}")
    return value
