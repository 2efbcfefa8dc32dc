"""Embeddings as a call like any other: one chunk, which is the whole answer.

So they are tried again, booked, stopped and lost as completions are.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from providers.numbers import token_count
from providers.protocol import (
    ChatRequest,
    Chunk,
    ChunkStream,
    Embedder,
    ModelListing,
    Provider,
    ProviderMalformed,
    ProviderRejected,
    Usage,
)
from providers.reply import Reply

__all__ = ["EmbeddingsOf", "embeddings"]

FINISHED = "stop"


class _Answer(msgspec.Struct):
    data: list[Any] | None = None
    usage: Any = None


_answer = msgspec.json.Decoder(_Answer)


def embeddings(reply: Reply) -> Iterator[Chunk]:
    """The one chunk of an embeddings call in OpenAI's format.

    Raises (when read):
        ProviderMalformed: the answer is none.
    """
    raw = reply.whole()
    try:
        answer = _answer.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise ProviderMalformed("The provider's answer is not of its format.") from fault
    if not answer.data:
        raise ProviderMalformed("The provider's answer has no embeddings.")
    yield Chunk(raw=raw, usage=_usage(answer.usage), finish_reason=FINISHED)


class EmbeddingsOf:
    """A provider whose calls are embeddings."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def stream(self, request: ChatRequest) -> ChunkStream:
        """Ask for embeddings; returns once the provider accepted.

        Raises:
            ProviderError: it did not, or it has none.
        """
        if not isinstance(self._provider, Embedder):
            raise ProviderRejected("The model's provider has no embeddings.", was_sent=False)
        return self._provider.embed(request)

    def list_models(self) -> Sequence[ModelListing]:
        """The provider's own model list."""
        return self._provider.list_models()


def _usage(found: Any) -> Usage | None:
    """The tokens of the input; an explicit zero is a zero, nonsense is nothing.

    The total is the same, as there is no output: some say no other (Voyage).
    """
    said = found if isinstance(found, dict) else {}
    counts = (token_count(said.get(name)) for name in ("prompt_tokens", "total_tokens"))
    tokens = next((each for each in counts if each is not None), None)
    return None if tokens is None else Usage(tokens, 0)
