"""Anthropic's blocks of an answer that is kept, as its outcome has them."""

import pytest

from providers.protocol import Usage
from services.response_cache import KeptAnswer, KeptPiece

BEGUN = KeptPiece(event=("content_block_start", "{}"))
SAID = KeptPiece(text="a", event=("content_block_delta", '{"n":1}'))
END = KeptPiece(finish_reason="stop", ending={"of_tomorrow": 1})


def _outcome(*pieces):
    kept = KeptAnswer(
        call_id="c",
        created_s=1,
        kept_s=1.0,
        model_id="claude/m",
        provider_id="claude",
        is_streamed=True,
        is_estimated=False,
        usage=Usage(1, 1),
        pieces=list(pieces),
    )
    return kept.outcome()


def test_the_events_of_a_stream_are_there_to_be_put_together():
    """With what was told at its end."""
    outcome = _outcome(BEGUN, SAID, END)

    assert outcome.events == (b"{}", b'{"n":1}')
    assert (outcome.text, outcome.ending) == ("a", {"of_tomorrow": 1})


@pytest.mark.parametrize("beside", [KeptPiece(text="b"), KeptPiece(tool_calls=[{"index": 0}])])
def test_events_that_do_not_say_all_are_not_put_together(beside):
    """A provider that loses count amid its answer has the rest told by the other fields."""
    assert _outcome(BEGUN, SAID, beside, END).events == ()
