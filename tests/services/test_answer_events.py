"""The events of an answer: what is written can be read."""

from decimal import Decimal

import pytest

from providers.protocol import Chunk, ProviderBroken, Usage
from services.answer_events import chunk_of, closing, deltas, opening, usage_of
from services.calls import Bill
from streams.outcome import Outcome

BILL = Bill(Usage(7, 5, cached_tokens=3), Decimal("0.5"), is_estimated=True)


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(text="Grüße"),
        Chunk(reasoning="hm"),
        Chunk(tool_calls=({"index": 0, "function": {"arguments": "{"}},)),
    ],
)
def test_a_delta_is_the_chunk_again(chunk):
    """Who follows another's stream has what its provider said."""
    (draft,) = deltas(chunk)

    assert draft.name == "delta"
    assert chunk_of(draft.data) == chunk


def test_thoughts_come_before_words():
    """As they were thought."""
    names = [chunk_of(each.data) for each in deltas(Chunk(text="yes", reasoning="hm"))]

    assert names == [Chunk(reasoning="hm"), Chunk(text="yes")]


def test_the_opening_names_all_that_a_client_needs():
    """To read on, to stop, and to show who answers."""
    (draft,) = opening(stream_id="s", conversation_id="c", message_id="m", model_id="demo/echo")

    named = b'{"stream_id":"s","conversation_id":"c","message_id":"m","model":"demo/echo"}'
    assert (draft.name, draft.data) == ("start", named)


def test_the_closing_counts_and_ends():
    """In this order: whoever has the end has the usage."""
    usage, done = closing("m", Outcome(finish_reason="stop"), BILL)

    assert usage_of(usage.data) == (BILL.usage, True)
    assert (done.name, done.data) == ("done", b'{"message_id":"m","finish_reason":"stop"}')


def test_a_failure_is_the_end():
    """With a word for programs."""
    _, last = closing("m", Outcome(error=ProviderBroken("It broke.")), BILL)

    assert last.name == "error"
    assert b'"code":"provider_broken"' in last.data
