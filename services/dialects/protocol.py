"""What a client's format does with an answer: chunks in, events and bodies out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from providers.protocol import Chunk, ProviderError
from services.calls import Bill
from streams.events import Draft
from streams.outcome import Outcome

__all__ = ["Dialect", "Head", "says_something"]


@dataclass(frozen=True, slots=True)
class Head:
    """What every event of an answer names. The model is settled from the first chunk on."""

    call_id: str
    created_s: int
    model: Callable[[], str]
    include_usage: bool = False


class Dialect(Protocol):
    """One answer in one client's format; belongs to its producer."""

    def chunk(self, chunk: Chunk) -> list[Draft]:
        """The events of a chunk, possibly none."""
        ...

    def closing(self, outcome: Outcome, bill: Bill) -> list[Draft]:
        """The last events of an answer that came to its end; `usage` among them is for all."""
        ...

    def failure(self, fault: ProviderError) -> Draft:
        """The last event of an answer that broke."""
        ...

    def whole(self, outcome: Outcome, bill: Bill, raws: Sequence[bytes]) -> bytes:
        """The body of an answer that is not streamed.

        Args:
            outcome: the answer.
            bill: what it came to.
            raws: the provider's own chunks, of an answer that was streamed.
        """
        ...


def says_something(chunk: Chunk) -> bool:
    """Whether a chunk has more than its usage."""
    return bool(chunk.text or chunk.reasoning or chunk.tool_calls or chunk.finish_reason)
