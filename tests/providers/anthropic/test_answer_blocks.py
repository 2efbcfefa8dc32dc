"""What the blocks of an answer say beside their texts: their order, and what is cited."""

import msgspec
import pytest

from providers.protocol import ChatRequest
from tests.doubles.wire_server import head, whole


def _chunks(provider, *, stream):
    return list(provider.stream(ChatRequest("m", {"messages": []}, stream=stream)))


def _frame(kind, **fields):
    return b"data: %b\n\n" % msgspec.json.encode({"type": f"content_block_{kind}", **fields})


END = b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\n'


@pytest.mark.parametrize(
    ("cited", "told"), [([], ()), ([{"n": 1}, {"n": 2}], ({"n": 1}, {"n": 2}))]
)
def test_a_texts_end_says_what_it_cites(wired, wire, cited, told):
    """Nothing, most often."""
    begun = _frame("start", content_block={"type": "text", "text": "a"})
    deltas = [_frame("delta", delta={"type": "citations_delta", "citation": c}) for c in cited]
    wire.replies([head("200 OK"), b"".join([begun, *deltas, _frame("stop"), END]), b""])

    chunks = _chunks(wired, stream=True)

    assert [each.citations for each in chunks if each.citations is not None] == [told]


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
WORDS = {"type": "text", "text": "a"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


@pytest.mark.parametrize(
    ("blocks", "are_kept"),
    [
        ([THOUGHT, WORDS, CALL, CALL], False),
        ([WORDS], False),
        ([THOUGHT, WORDS, THOUGHT, CALL], True),
        ([WORDS, WORDS], True),
        ([{**WORDS, "citations": [{"type": "char_location"}]}], True),
        ([WORDS, {"type": "of_tomorrow"}], True),
    ],
)
def test_blocks_that_text_thoughts_and_calls_do_not_tell_are_kept(wired, wire, blocks, are_kept):
    """Their order, and what each text rests on: thoughts must go back where they stood."""
    wire.replies([whole(msgspec.json.encode({"content": blocks, "stop_reason": "end_turn"}))])

    (chunk,) = _chunks(wired, stream=False)

    assert chunk.blocks == (tuple(blocks) if are_kept else ())
