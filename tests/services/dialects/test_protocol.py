"""What all dialects share."""

import pytest

from providers.protocol import Chunk, Usage
from services.dialects.protocol import says_something


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(text="a"),
        Chunk(reasoning="a"),
        Chunk(tool_calls=({"index": 0},)),
        Chunk(finish_reason="stop"),
    ],
)
def test_a_chunk_that_carries_something_says_so(chunk):
    """It goes out, with or without a usage in it."""
    assert says_something(chunk)


@pytest.mark.parametrize("chunk", [Chunk(), Chunk(usage=Usage(1, 1)), Chunk(raw=b"{}")])
def test_a_chunk_of_usage_alone_says_nothing(chunk):
    """The client hears of the usage from us."""
    assert not says_something(chunk)
