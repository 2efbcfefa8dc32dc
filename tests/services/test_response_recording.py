"""An answer as it is taken down: whole, with all that a client sends back, or not at all."""

from typing import Any

import pytest

from providers.protocol import Chunk, ProviderBroken, Usage
from services.response_recording import Recording
from streams.outcome import Outcome


@pytest.fixture
def recording():
    """One that is never kept."""
    nowhere: Any = None
    return Recording(nowhere, "form")


def test_signatures_of_thoughts_are_kept(recording):
    """A client sends them back with its tools' results: a hit without them would end its turn."""
    signed = {"type": "reasoning.text", "text": "hm", "signature": "s"}
    recording.add(Chunk(reasoning="hm", details=(signed,)))

    (piece,) = recording.pieces(Outcome(finish_reason="stop")) or []

    assert piece.chunk(Usage(1, 1)).details == (signed,)


def test_the_sequence_that_ended_the_answer_is_kept(recording):
    """A copy ends as the answer did."""
    recording.add(Chunk(text="x", finish_reason="stop", stop_sequence="END"))

    (piece,) = recording.pieces(Outcome(finish_reason="stop")) or []

    assert piece.chunk(Usage(1, 1)).stop_sequence == "END"


def test_blocks_are_kept(recording):
    """A copy has them in the same order, and each text with what it cites."""
    event = ("content_block_start", b'{"content_block":{"type":"of_tomorrow"}}')
    recording.add(Chunk(event=event))
    blocks = ({"type": "text", "text": "a"}, {"type": "text", "text": "b"})
    recording.add(Chunk(text="ab", blocks=blocks, ending={"stop_details": {}}))

    pieces = recording.pieces(Outcome(finish_reason="stop")) or []

    kept = [each.chunk(Usage(1, 1)) for each in pieces]
    assert [each.event for each in kept] == [event, None]
    assert (kept[-1].blocks, kept[-1].ending) == (blocks, {"stop_details": {}})


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(),
        Outcome(finish_reason="cancelled"),
        Outcome(finish_reason="stop", ending={"stop_reason": "pause_turn"}),
        Outcome(finish_reason="stop", ending={"container": {"id": "c"}}),
        Outcome(finish_reason="stop", error=ProviderBroken("x")),
    ],
)
def test_half_an_answer_is_none(recording, outcome):
    """Whatever was said of it before it ended."""
    recording.add(Chunk(text="Hello"))

    assert recording.pieces(outcome) is None


@pytest.mark.parametrize(
    "chunk", [Chunk(text="x", raw=b"\xff"), Chunk(event=("delta", b"{}"), is_unknown=True)]
)
def test_an_answer_that_could_not_be_given_again_is_none(recording, chunk):
    """Of broken letters, or of parts that nobody can put together."""
    recording.add(chunk)
    recording.add(Chunk(text="y"))

    assert recording.pieces(Outcome(finish_reason="stop")) is None
