"""Embeddings for OpenAI's clients: the provider's own answer, byte for byte."""

from collections.abc import Sequence

from providers.protocol import Chunk, ProviderError
from schemas import openai
from services.calls import Bill
from services.dialects.protocol import Head
from streams.events import Draft
from streams.outcome import Outcome

__all__ = ["EmbeddingsDialect", "embeddings_unpaid"]


class EmbeddingsDialect:
    """One answer, which comes whole."""

    def __init__(self, head: Head) -> None:
        del head

    def chunk(self, chunk: Chunk) -> list[Draft]:
        """Nothing is streamed."""
        del chunk
        return []

    def closing(self, outcome: Outcome, bill: Bill) -> list[Draft]:
        """The end, for those who share the call."""
        del outcome, bill
        return [Draft("done", b"{}")]

    def failure(self, fault: ProviderError) -> Draft:
        """The end of a call that failed."""
        return Draft("error", openai.error_json(fault.message, "api_error", None, fault.code))

    def whole(self, outcome: Outcome, bill: Bill, raws: Sequence[bytes]) -> bytes:
        """The provider's own words."""
        del bill, raws
        return outcome.raw or b"{}"


def embeddings_unpaid(name: str, data: bytes) -> bytes:
    """An event for one who pays nothing for it: none says what it cost."""
    del name
    return data
