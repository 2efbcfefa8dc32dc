"""What the blocks of an answer say beside their texts: their order, and what is cited."""

import msgspec
import pytest

from providers.protocol import SILENCE, ChatRequest
from tests.doubles.wire_server import head, whole


def _chunks(provider, *, stream):
    return list(provider.stream(ChatRequest("m", {"messages": []}, stream=stream)))


def _event(kind, index=0, **fields):
    return {"type": f"content_block_{kind}", "index": index, **fields}


def _delta(kind, index=0, **fields):
    return _event("delta", index, delta={"type": f"{kind}_delta", **fields})


def _streamed(provider, wire, *events, ending=None):
    """The chunks of a stream but for its end, and the last one."""
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **(ending or {})}
    frames = [b"data: %b\n\n" % msgspec.json.encode(each) for each in [*events, end]]
    wire.replies([head("200 OK"), b"".join(frames), b""])
    *chunks, last = [each for each in _chunks(provider, stream=True) if each is not SILENCE]
    return chunks, last


SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
OWN = (
    _event("start", content_block={"type": "text", "text": ""}),
    _delta("citations", citation={"n": 1}),
    _delta("text", text="a"),
    _event("stop"),
    _event("start", 1, content_block=SEARCH),
    _delta("input_json", 1, partial_json='{"q":1}'),
    _event("stop", 1),
    _event("start", 2, content_block={"type": "of_tomorrow", "at": [1]}),
    _delta("of_tomorrow", 2, more=1),
    _event("stop", 2),
)


def test_each_event_of_a_block_goes_along_as_it_is(wired, wire):
    """Of whatever kind; what the other fields can tell of it stands beside."""
    chunks, _ = _streamed(wired, wire, *OWN)

    assert [each.event for each in chunks] == [
        (event["type"], msgspec.json.encode(event)) for event in OWN
    ]
    assert "".join(each.text for each in chunks) == "a"
    assert not any(each.tool_calls for each in chunks)
    assert [chunk.event[0] for chunk in chunks if chunk.is_unknown] == ["content_block_delta"]


def test_a_tool_that_runs_at_the_provider_is_part_of_the_answer(wired, wire):
    """The wait for the first token is over; its words are counted where nobody else does."""
    begun, asked = OWN[4] | {"index": 0}, OWN[5] | {"index": 0}
    chunks, _ = _streamed(wired, wire, begun, asked)

    assert [(each.is_token, each.beside_chars) for each in chunks] == [(True, 10), (True, 7)]


def test_an_event_of_several_lines_becomes_one(wired, wire):
    """So it goes on to clients, and into the response cache."""
    frame = (
        b'data: {"type":"content_block_start","index":0,\ndata: "content_block":{"type":"x"}}\n\n'
    )
    end = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    wire.replies([head("200 OK"), frame + end, b""])

    chunk = next(each for each in _chunks(wired, stream=True) if each.event)

    assert msgspec.json.decode(chunk.event[1])["content_block"] == {"type": "x"}
    assert b"\n" not in chunk.event[1]


@pytest.mark.parametrize(
    ("places", "passed"), [((None, 0), []), ((1, 2), []), ((0, 0), [0]), ((0, 2), [0])]
)
def test_out_of_their_places_events_are_not_passed_on(wired, wire, places, passed):
    """Clients would put them at a wrong one; what they tell is told all the same."""
    text = {"type": "text", "text": "a"}
    begun = [_event("start", each, content_block=text) for each in places]

    chunks, _ = _streamed(wired, wire, *begun)

    events = [msgspec.json.decode(each.event[1]) for each in chunks if each.event]
    assert [each["index"] for each in events] == passed
    assert [each.text for each in chunks] == ["a", "a"]


def test_a_delta_without_a_block_is_text_all_the_same(wired, wire):
    """Some servers leave the start out."""
    (chunk,), _ = _streamed(wired, wire, OWN[2])

    assert (chunk.text, chunk.event) == ("a", None)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("said", "usage", "ending"),
    [
        ({"stop_reason": "end_turn", "container": None}, {"output_tokens": 1}, None),
        ({"stop_reason": "pause_turn"}, {}, {"stop_reason": "pause_turn"}),
        (
            {"stop_reason": "refusal", "stop_details": {"type": "refusal"}},
            {"server_tool_use": {"web_search_requests": 1}},
            {
                "stop_details": {"type": "refusal"},
                "server_tool_use": {"web_search_requests": 1},
            },
        ),
    ],
)
def test_what_only_the_end_tells_is_kept(wired, wire, stream, said, usage, ending):
    """In either form, and nothing of a plain end."""
    if stream:
        _, chunk = _streamed(wired, wire, ending={"delta": said, "usage": usage})
    else:
        wire.replies([whole(msgspec.json.encode({"content": [WORDS], **said, "usage": usage}))])
        (chunk,) = _chunks(wired, stream=False)

    assert chunk.ending == ending


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
        ([{**WORDS, "citations": None}, {**CALL, "caller": None}], False),
        ([{**CALL, "caller": {"type": "direct"}}], True),
    ],
)
def test_blocks_that_text_thoughts_and_calls_do_not_tell_are_kept(wired, wire, blocks, are_kept):
    """Their order, and what each text rests on: thoughts must go back where they stood."""
    wire.replies([whole(msgspec.json.encode({"content": blocks, "stop_reason": "end_turn"}))])

    (chunk,) = _chunks(wired, stream=False)

    assert chunk.blocks == (tuple(blocks) if are_kept else ())
