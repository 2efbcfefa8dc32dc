"""Messages in OpenAI's shape as turns of blocks, with the system's words beside them.

A part that is not of OpenAI's kinds is taken for one of Anthropic's own blocks and goes as it is.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.protocol import ProviderRejected

__all__ = ["turns_and_system"]

Block = dict[str, Any]
MEDIA_TYPES = {"image/jpg": "image/jpeg"}
"""Common names that Anthropic does not know, in its own."""


def turns_and_system(messages: Any) -> tuple[list[dict[str, Any]], list[Block]]:
    """The turns, two of the same role never in a row, and the system's blocks.

    Raises:
        ProviderRejected: a message cannot be said here; its `param` names the place.
    """
    turns: list[dict[str, Any]] = []
    system: list[Block] = []
    for place, message in enumerate(messages if isinstance(messages, list | tuple) else ()):
        where = f"messages.{place}"
        if not isinstance(message, Mapping):
            raise ProviderRejected("It must be an object.", param=where)
        role = message.get("role")
        if role in {"system", "developer"}:
            system += _blocks(message.get("content"), where)
            continue
        speaker, blocks = _turn(role, message, where)
        if not blocks:
            continue  # an empty turn is refused, and says nothing
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": speaker, "content": blocks})
    return turns, system


def _turn(role: Any, message: Mapping[str, Any], where: str) -> tuple[str, list[Block]]:
    if role == "user":
        return "user", _blocks(message.get("content"), where)
    if role == "tool":
        return "user", [_tool_result(message, where)]
    if role == "assistant":
        return "assistant", [
            *_thoughts(message),
            *_blocks(message.get("content"), where),
            *_tool_uses(message.get("tool_calls"), where),
        ]
    raise ProviderRejected(f"There is no role “{str(role)[:40]}” here.", param=f"{where}.role")


def _blocks(content: Any, where: str) -> list[Block]:
    """A message's content, a text or a list of parts, without the empty ones."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list | tuple):
        raise ProviderRejected("It must be a text or a list of parts.", param=f"{where}.content")
    blocks: list[Block] = []
    for place, part in enumerate(content):
        if not isinstance(part, Mapping):
            raise ProviderRejected("It must be an object.", param=f"{where}.content.{place}")
        block = _block(part, f"{where}.content.{place}")
        if block != {"type": "text", "text": ""}:
            blocks.append(block)
    return blocks


def _block(part: Mapping[str, Any], where: str) -> Block:
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        return _kept(part, {"type": "image", "source": _source(url, where)})
    if kind == "file":
        about = {name: part[name] for name in ("context", "citations") if part.get(name)}
        return _kept(part, {**_document(part.get("file"), where), **about})
    if kind == "input_audio":
        raise ProviderRejected("This model's provider takes no audio.", param=where)
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal") or ""}
    return dict(part)


def _kept(part: Mapping[str, Any], block: Block) -> Block:
    """The block with the part's mark for the prompt cache."""
    mark = part.get("cache_control")
    return block if mark is None else {**block, "cache_control": mark}


def _source(url: Any, where: str) -> dict[str, str]:
    """Where the bytes are: within a `data:` URL, or behind one that the provider fetches."""
    if isinstance(url, str) and url.startswith("data:"):
        kind, comma, data = url.removeprefix("data:").partition(",")
        media, *marks = kind.split(";")
        if comma and "base64" in marks:
            return {"type": "base64", "media_type": MEDIA_TYPES.get(media, media), "data": data}
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise ProviderRejected("It must be an https: URL or a data: URL in base64.", param=where)


def _document(file: Any, where: str) -> Block:
    found = file if isinstance(file, Mapping) else {}
    if "file_id" in found:
        return {"type": "document", "source": {"type": "file", "file_id": found["file_id"]}}
    source = _source(found.get("file_data"), where)
    if source.get("media_type", "").startswith("text/"):  # as bytes only a PDF is taken
        source = {
            "type": "text",
            "media_type": "text/plain",
            "data": _decoded(source["data"], where),
        }
    block: Block = {"type": "document", "source": source}
    return {**block, "title": found["filename"]} if found.get("filename") else block


def _decoded(data: str, where: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except ValueError as fault:
        raise ProviderRejected("It must be text in UTF-8, in base64.", param=where) from fault


def _tool_result(message: Mapping[str, Any], where: str) -> Block:
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str) or not call_id:
        raise ProviderRejected(
            "A tool's message must name its call.", param=f"{where}.tool_call_id"
        )
    content = message.get("content")
    told = content if isinstance(content, str) else _blocks(content, where)
    result: Block = {"type": "tool_result", "tool_use_id": call_id, "content": told}
    if message.get("is_error"):
        result["is_error"] = True
    if message.get("toolset_name"):
        result["toolset_name"] = message["toolset_name"]
    return _kept(message, result)


def _tool_uses(calls: Any, where: str) -> Iterator[Block]:
    for place, call in enumerate(calls if isinstance(calls, list | tuple) else ()):
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            raise ProviderRejected("It must be a function's.", param=f"{where}.tool_calls.{place}")
        at = f"{where}.tool_calls.{place}.function.arguments"
        given = _arguments(function.get("arguments"), at)
        named = {"type": "tool_use", "id": call.get("id"), "name": function.get("name")}
        yield _kept(call, {**named, "input": given})


def _arguments(arguments: Any, where: str) -> dict[str, Any]:
    if arguments is None or arguments == "":
        return {}
    try:
        found = msgspec.json.decode(arguments) if isinstance(arguments, str) else arguments
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderRejected("It must be a JSON object, as text.", param=where)
    return found


def _thoughts(message: Mapping[str, Any]) -> Iterator[Block]:
    """The thoughts that a client sends back: as blocks, or as it got them in `details`."""
    for each in _listed(message.get("thinking_blocks")):
        yield dict(each)
    for each in _listed(message.get("reasoning_details")):
        if each.get("type") == "reasoning.text" and each.get("signature"):
            text = each.get("text") or message.get("reasoning_content") or ""
            yield {"type": "thinking", "thinking": text, "signature": each["signature"]}
        if each.get("type") == "reasoning.encrypted" and each.get("data"):
            yield {"type": "redacted_thinking", "data": each["data"]}


def _listed(value: Any) -> list[Mapping[str, Any]]:
    listed = value if isinstance(value, list | tuple) else ()
    return [each for each in listed if isinstance(each, Mapping)]
