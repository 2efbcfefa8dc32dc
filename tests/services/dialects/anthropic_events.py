"""What Anthropic's clients are sent, as the dialect's tests look at it."""

from decimal import Decimal
from typing import Any

import msgspec

from providers.protocol import Chunk, Usage
from services.calls import Bill
from services.dialects.anthropic import AnthropicDialect
from streams.outcome import Outcome

__all__ = ["BILL", "events_of", "in_short"]

BILL = Bill(Usage(10, 3, cached_tokens=4), Decimal("0.5"), is_estimated=False)


def events_of(
    dialect: AnthropicDialect, *chunks: Chunk, finish_reason: str = "stop"
) -> list[dict[str, Any]]:
    """All events of an answer that is made of these chunks."""
    drafts = [draft for chunk in chunks for draft in dialect.chunk(chunk)]
    drafts += dialect.closing(Outcome(finish_reason=finish_reason), BILL)
    events = [msgspec.json.decode(each.data) for each in drafts]
    assert [each["type"] for each in events] == [each.name for each in drafts]
    return events


def in_short(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    """Each event's kind and the place of its block."""
    return [(each["type"].removeprefix("content_block_"), each.get("index")) for each in events]
