"""Any provider's pieces of an answer as Anthropic's events: one block after the other."""

import pytest

from providers.protocol import Chunk
from services.dialects.anthropic import AnthropicDialect
from services.dialects.protocol import Head
from tests.services.dialects.anthropic_events import events_of, in_short


def _call(index, call_id=None, name=None, arguments=""):
    function = {"arguments": arguments, **({"name": name} if name else {})}
    delta = {"index": index, "function": function}
    return {**delta, "id": call_id} if call_id else delta


def test_a_text_is_one_block(anthropic):
    """From the message's start to its stop, with a ping as Anthropic sends it."""
    events = events_of(anthropic, Chunk(text="a"), Chunk(text="b"), Chunk(finish_reason="stop"))

    assert in_short(events) == [
        ("message_start", None),
        ("ping", None),
        ("start", 0),
        ("delta", 0),
        ("delta", 0),
        ("stop", 0),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert events[0]["message"]["model"] == "acme/m"
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2]["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 3,
        "cost_usd": "0.5",
        "estimated": False,
    }


def test_thoughts_text_and_calls_are_blocks_one_after_the_other(anthropic):
    """Each is stopped before the next one starts."""
    events = events_of(
        anthropic,
        Chunk(reasoning="hm"),
        Chunk(text="a"),
        Chunk(tool_calls=(_call(0, "t1", "f"),)),
        Chunk(tool_calls=(_call(0, arguments='{"a"'), _call(0, arguments=":1}"))),
        Chunk(tool_calls=(_call(1, "t2", "g", "{}"),)),
        finish_reason="tool_calls",
    )

    starts = [each["content_block"] for each in events if each["type"] == "content_block_start"]
    assert [each["type"] for each in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert [(each["id"], each["name"]) for each in starts[2:]] == [("t1", "f"), ("t2", "g")]
    assert [place for kind, place in in_short(events) if kind in {"start", "stop"}] == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    pieces = [(each["index"], each["delta"].get("partial_json")) for each in events
              if each["type"] == "content_block_delta"][2:]  # fmt: skip
    assert pieces == [(2, '{"a"'), (2, ":1}"), (3, "{}")]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_pieces_of_another_call_wait_for_the_open_one(anthropic):
    """Anthropic's clients know one open block at a time; a call without arguments has none yet."""
    events = events_of(
        anthropic,
        Chunk(tool_calls=(_call(0, "t1", "f"), _call(1, "t2", "g"), _call(2, "t3", "h"))),
        Chunk(tool_calls=(_call(1, arguments='{"b"'),)),
        Chunk(tool_calls=(_call(0, arguments='{"a": "}'), _call(1, arguments=":1}"))),
        Chunk(text="a", tool_calls=(_call(0, arguments='"}'), _call(2, arguments="{"))),
        Chunk(tool_calls=(_call(0, arguments="\n"), _call(2, arguments="}"))),
        Chunk(text="b"),
    )

    assert _blocks(events) == [
        ("f", ['{"a": "}', '"}']),
        ("g", ['{"b":1}']),
        ("h", ["{", "}"]),
        ("text", ["a", "b"]),
    ]


@pytest.mark.parametrize("arguments", ["", "{", "{}}", "[]", '{"a":' * 2000 + "}"])
def test_what_waits_for_a_call_that_is_never_whole_comes_at_the_end(anthropic, arguments):
    """Nothing is lost."""
    events = events_of(
        anthropic,
        Chunk(tool_calls=(_call(0, "t1", "f", arguments),)),
        Chunk(tool_calls=(_call(1, "t2", "g", "{}"),)),
        Chunk(reasoning="hm", text="a"),
    )

    assert _blocks(events) == [
        ("f", [arguments] if arguments else []),
        ("g", ["{}"]),
        ("thinking", ["hm"]),
        ("text", ["a"]),
    ]


def _blocks(events):
    """Each block's name and its pieces; none is told of before its start or after its stop."""
    blocks: list[tuple[str, list[str]]] = []
    is_open = False
    for each in events:
        kind = each["type"].removeprefix("content_block_")
        if kind == "start":
            block = each["content_block"]
            blocks.append((block.get("name") or block["type"], []))
        elif kind == "delta":
            blocks[-1][1].append(next(reversed(each["delta"].values())))
        if kind in {"start", "delta", "stop"}:
            assert (each["index"], is_open) == (len(blocks) - 1, kind != "start")
            is_open = kind != "stop"
    return blocks


@pytest.mark.parametrize("name", ["f", None])
def test_a_call_begins_with_its_name(anthropic, name):
    """A block cannot be named later; the arguments that came before wait, at most to the end."""
    events = events_of(
        anthropic,
        Chunk(tool_calls=({"index": 0, "id": "t", "function": {"name": None, "arguments": "{"}},)),
        Chunk(tool_calls=({"index": 0, "function": {"name": name, "arguments": "}"}},)),
    )

    (start,) = [each["content_block"] for each in events if "content_block" in each]
    pieces = [each["delta"]["partial_json"] for each in events if "partial_json" in str(each)]
    assert start == {"type": "tool_use", "id": "t", "name": name or "", "input": {}}
    assert pieces == ["{}"]
    assert [place for kind, place in in_short(events) if kind in {"start", "stop"}] == [0, 0]


def test_a_call_that_came_without_an_id_gets_one_of_its_own(anthropic):
    """Anthropic refuses a conversation in which two calls have the same."""
    again = AnthropicDialect(Head("c2", 5, lambda: "acme/m"))

    ids = [
        event["content_block"]["id"]
        for each in (anthropic, again)
        for event in events_of(each, Chunk(tool_calls=(_call(0, name="f"), _call(1, name="g"))))
        if "content_block" in event
    ]

    assert len(set(ids)) == 4


def test_an_answer_without_a_word_is_still_a_message(anthropic):
    """Its events have their start and their end."""
    kinds = [kind for kind, _ in in_short(events_of(anthropic))]

    assert kinds == ["message_start", "ping", "message_delta", "message_stop"]
