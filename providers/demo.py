"""The built-in provider: answers offline, word by word, and says that it is no language model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.protocol import ChatRequest, Chunk, ModelListing, ProviderConfig, Usage

__all__ = ["DemoProvider"]

PREAMBLE = "I am not a language model, only an echo. You said: "
WORDS = re.compile(r"\S+\s*|\s+")


class DemoProvider:
    """Echoes the last thing the user said."""

    def __init__(self, config: ProviderConfig) -> None:
        del config

    def stream(self, request: ChatRequest) -> "DemoStream":
        """Answer at once; it cannot fail."""
        messages = request.body.get("messages")
        listed = messages if isinstance(messages, list | tuple) else []
        answer = PREAMBLE + _last_said(listed)
        words = WORDS.findall(answer)
        usage = Usage(
            input_tokens=sum(len(WORDS.findall(_text(each))) for each in listed),
            output_tokens=len(words),
        )
        return DemoStream(words if request.stream else [answer], usage)

    def list_models(self) -> Sequence[ModelListing]:
        """Its one model."""
        return [ModelListing("echo", "Echo (offline demo)", capabilities=("chat", "streaming"))]

    def close(self) -> None:
        """Nothing is open."""


class DemoStream:
    """The words of one answer, then its end with the usage, a word counting as a token."""

    def __init__(self, pieces: Sequence[str], usage: Usage) -> None:
        last = len(pieces) - 1
        self._chunks = iter(
            [
                Chunk(
                    text=piece,
                    finish_reason="stop" if number == last else None,
                    usage=usage if number == last else None,
                )
                for number, piece in enumerate(pieces)
            ]
        )

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Nothing more comes."""
        self._chunks = iter(())


def _last_said(messages: Sequence[Any]) -> str:
    said = [each for each in messages if isinstance(each, Mapping) and each.get("role") == "user"]
    return _text(said[-1]) if said else ""


def _text(message: Any) -> str:
    """The text of a message, whose content is a string or a list of parts."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else []
    texts = [each.get("text") for each in parts if isinstance(each, Mapping)]
    return " ".join(each for each in texts if isinstance(each, str))
