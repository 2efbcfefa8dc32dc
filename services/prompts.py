"""A conversation as any provider reads it, whatever wrote what came before.

What only the provider that wrote it would take back, or none at all, is said in words: an answer
may be regenerated, and a conversation go on, with a model of another provider.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cache.scopes import UserId
from services import attachments

__all__ = ["prompt_of"]

NO_ANSWER = "(No answer.)"


def prompt_of(
    owner: UserId, system_prompt: str | None, path: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The messages of a request, in OpenAI's format.

    Args:
        owner: whose conversation it is.
        system_prompt: the conversation's own.
        path: its messages from the first to the question, as they are stored.

    Raises:
        TooLarge: their files are more than one prompt may have.
    """
    attachments.check_size(owner, (file for each in path for file in each.get("file_ids") or ()))
    prompt = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return [*prompt, *(_message(owner, each) for each in path)]


def _message(owner: UserId, stored: Mapping[str, Any]) -> dict[str, Any]:
    content: Any = stored["content"]
    if stored["role"] == "assistant":
        content = _answer(stored)
    if stored.get("file_ids"):
        content = [{"type": "text", "text": content}]
        content.extend(attachments.parts(owner, stored["file_ids"]))
    return {"role": stored["role"], "content": content}


def _answer(stored: Mapping[str, Any]) -> str:
    """What a model said, with the calls it made.

    A call without its result is refused everywhere, and a conversation has no place for results but
    the next question; an answer without a word is refused by Mistral, and by templates of vLLM's
    that want the speakers to take turns if it is left out.
    """
    functions = [each.get("function") or {} for each in stored.get("tool_calls") or ()]
    called = [f"(Called {each.get('name')} with {each.get('arguments')}.)" for each in functions]
    said = "\n".join(filter(None, [stored["content"], *called]))
    return said if said.strip() else NO_ANSWER
