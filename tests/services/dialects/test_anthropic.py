"""Any provider's answer as Anthropic's events and messages."""

from decimal import Decimal

import msgspec
import pytest

from providers.protocol import (
    Chunk,
    ProviderAuthFailed,
    ProviderBroken,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    Usage,
)
from services.calls import Bill
from services.dialects.anthropic import AnthropicDialect
from services.dialects.protocol import Head
from streams.outcome import Outcome

BILL = Bill(Usage(10, 3, cached_tokens=4), Decimal("0.5"), is_estimated=False)


@pytest.fixture
def dialect():
    """One answer of the model `acme/m`."""
    return AnthropicDialect(Head("c1", 5, lambda: "acme/m"))


def _call(index, call_id=None, name=None, arguments=""):
    function = {"arguments": arguments, **({"name": name} if name else {})}
    delta = {"index": index, "function": function}
    return {**delta, "id": call_id} if call_id else delta


def _events(dialect, *chunks, finish_reason="stop"):
    drafts = [draft for chunk in chunks for draft in dialect.chunk(chunk)]
    drafts += dialect.closing(Outcome(finish_reason=finish_reason), BILL)
    events = [msgspec.json.decode(each.data) for each in drafts]
    assert [each["type"] for each in events] == [each.name for each in drafts]
    return events


def _short(events):
    return [(each["type"].removeprefix("content_block_"), each.get("index")) for each in events]


def test_a_text_is_one_block(dialect):
    """From the message's start to its stop, with a ping as Anthropic sends it."""
    events = _events(dialect, Chunk(text="a"), Chunk(text="b"), Chunk(finish_reason="stop"))

    assert _short(events) == [
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


def test_thoughts_text_and_calls_are_blocks_one_after_the_other(dialect):
    """Each is stopped before the next one starts."""
    events = _events(
        dialect,
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
    assert [place for kind, place in _short(events) if kind in {"start", "stop"}] == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip
    pieces = [(each["index"], each["delta"].get("partial_json")) for each in events
              if each["type"] == "content_block_delta"][2:]  # fmt: skip
    assert pieces == [(2, '{"a"'), (2, ":1}"), (3, "{}")]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_pieces_of_another_call_wait_for_the_open_one(dialect):
    """Anthropic's clients know one open block at a time; a call without arguments has none yet."""
    events = _events(
        dialect,
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
def test_what_waits_for_a_call_that_is_never_whole_comes_at_the_end(dialect, arguments):
    """Nothing is lost."""
    events = _events(
        dialect,
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
def test_a_call_begins_with_its_name(dialect, name):
    """A block cannot be named later; the arguments that came before wait, at most to the end."""
    events = _events(
        dialect,
        Chunk(tool_calls=({"index": 0, "id": "t", "function": {"name": None, "arguments": "{"}},)),
        Chunk(tool_calls=({"index": 0, "function": {"name": name, "arguments": "}"}},)),
    )

    (start,) = [each["content_block"] for each in events if "content_block" in each]
    pieces = [each["delta"]["partial_json"] for each in events if "partial_json" in str(each)]
    assert start == {"type": "tool_use", "id": "t", "name": name or "", "input": {}}
    assert pieces == ["{}"]
    assert [place for kind, place in _short(events) if kind in {"start", "stop"}] == [0, 0]


def test_a_call_that_came_without_an_id_gets_one_of_its_own(dialect):
    """Anthropic refuses a conversation in which two calls have the same."""
    again = AnthropicDialect(Head("c2", 5, lambda: "acme/m"))

    ids = [
        event["content_block"]["id"]
        for each in (dialect, again)
        for event in _events(each, Chunk(tool_calls=(_call(0, name="f"), _call(1, name="g"))))
        if "content_block" in event
    ]

    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "tool_use"), (None, "tool_use"), ("length", "max_tokens"), ("cancelled", None)],
)
def test_a_call_is_a_reason_to_stop(dialect, reason, told):
    """Clients run no tool behind `end_turn`, as Gemini's `stop` would be."""
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    outcome = Outcome(tool_calls=[call], finish_reason=reason)

    closing = [msgspec.json.decode(each.data) for each in dialect.closing(outcome, BILL)]

    assert closing[-2]["delta"]["stop_reason"] == told
    assert msgspec.json.decode(dialect.whole(outcome, BILL, ()))["stop_reason"] == told


def test_the_sequence_that_ended_an_answer_is_told(dialect):
    """As the provider named it; without one its end is the turn's."""
    outcome = Outcome(text="a", finish_reason="stop", stop_sequence="END")
    told = {"stop_reason": "stop_sequence", "stop_sequence": "END"}

    closing = [msgspec.json.decode(each.data) for each in dialect.closing(outcome, BILL)]
    message = msgspec.json.decode(dialect.whole(outcome, BILL, ()))

    assert closing[-2]["delta"] == told
    assert {name: message[name] for name in told} == told


def test_an_answer_without_a_word_is_still_a_message(dialect):
    """Its events have their start and their end."""
    kinds = [kind for kind, _ in _short(_events(dialect))]

    assert kinds == ["message_start", "ping", "message_delta", "message_stop"]


def test_a_whole_answer_has_all_blocks(dialect):
    """In the same order."""
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    outcome = Outcome(text="a", reasoning="hm", tool_calls=[call], finish_reason="tool_calls")

    message = msgspec.json.decode(dialect.whole(outcome, BILL, ()))

    assert [each["type"] for each in message["content"]] == ["thinking", "text", "tool_use"]
    assert (message["id"], message["stop_reason"]) == ("msg_c1", "tool_use")
    assert message["usage"]["output_tokens"] == 3


def test_a_failure_is_an_error_event(dialect):
    """Clients raise it."""
    draft = dialect.failure(ProviderBroken("It broke."))

    assert draft.name == "error"
    assert msgspec.json.decode(draft.data)["error"] == {"type": "api_error", "message": "It broke."}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderRateLimited("m"), "rate_limit_error"),
        (ProviderUnavailable("m", status=529), "overloaded_error"),
        (ProviderUnavailable("m", status=500), "api_error"),
        (ProviderRejected("m"), "invalid_request_error"),
        (ProviderTimeout("m"), "timeout_error"),
        (ProviderAuthFailed("m"), "api_error"),
    ],
)
def test_a_failure_amid_an_answer_says_of_what_kind_it_is(dialect, fault, kind):
    """As before the first token: clients tell by it whether, and when, to ask again."""
    error = msgspec.json.decode(dialect.failure(fault).data)["error"]

    assert error == {"type": kind, "message": "m"}


CITED = {"type": "char_location", "cited_text": "x"}
BLOCKS = (
    {"type": "thinking", "thinking": "hm", "signature": "s1"},
    {"type": "text", "text": "a"},
    {"type": "redacted_thinking", "data": "x=="},
    {"type": "text", "text": "b", "citations": [CITED]},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
)


def test_a_whole_answer_has_its_blocks_as_they_came(dialect):
    """A thought that goes back at another place is refused by the model."""
    outcome = Outcome(text="ab", reasoning="hm", blocks=BLOCKS, finish_reason="tool_calls")

    assert msgspec.json.decode(dialect.whole(outcome, BILL, ()))["content"] == list(BLOCKS)


def test_blocks_that_came_whole_are_streamed_in_their_order(dialect):
    """An answer that was kept whole may be asked for as a stream."""
    events = _events(dialect, Chunk(text="ab", reasoning="hm", blocks=BLOCKS))

    begun = [each["content_block"] for each in events if each["type"] == "content_block_start"]
    deltas = [each["delta"] for each in events if each["type"] == "content_block_delta"]
    assert [each["type"] for each in begun] == [each["type"] for each in BLOCKS]
    assert [each["index"] for each in events if each["type"] == "content_block_stop"] == [*range(5)]
    assert (begun[2], begun[4]) == (BLOCKS[2], {**BLOCKS[4], "input": {}})
    assert deltas == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s1"},
        {"type": "text_delta", "text": "a"},
        {"type": "text_delta", "text": "b"},
        {"type": "citations_delta", "citation": CITED},
        {"type": "input_json_delta", "partial_json": '{"a":1}'},
    ]


def _own(kind, index, **fields):
    told = {"type": f"content_block_{kind}", "index": index, **fields}
    return Chunk(event=(told["type"], msgspec.json.encode(told)))


SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
RELAYED = (
    _own("start", 0, content_block=SEARCH),
    _own("delta", 0, delta={"type": "input_json_delta", "partial_json": '{"q":1}'}),
    _own("stop", 0),
    _own("start", 1, content_block={"type": "text", "text": ""}),
    _own("delta", 1, delta={"type": "of_tomorrow"}),
)


def test_a_providers_own_events_of_blocks_pass_as_they_are(dialect):
    """Byte for byte, between the message's start and its end; an open block is stopped there."""
    drafts = [draft for chunk in RELAYED for draft in dialect.chunk(chunk)]
    closing = dialect.closing(Outcome(finish_reason="stop"), BILL)

    assert [draft.name for draft in drafts[:2]] == ["message_start", "ping"]
    assert [(draft.name, draft.data) for draft in drafts[2:]] == [each.event for each in RELAYED]
    assert msgspec.json.decode(closing[0].data) == {"type": "content_block_stop", "index": 1}


def test_text_behind_relayed_blocks_has_the_next_place(dialect):
    """A provider may lose count amid its answer."""
    events = _events(dialect, *RELAYED, Chunk("a"))

    assert _short(events)[-6:-2] == [("stop", 1), ("start", 2), ("delta", 2), ("stop", 2)]


def test_an_answer_that_was_kept_as_a_stream_is_put_together(dialect):
    """Its blocks are those that a client makes of the events."""
    outcome = Outcome(text="a", events=tuple(each.event[1] for each in RELAYED[:4]))

    message = msgspec.json.decode(dialect.whole(outcome, BILL, ()))

    assert message["content"] == [{**SEARCH, "input": {"q": 1}}, {"type": "text", "text": ""}]


def test_what_only_anthropic_tells_of_the_end_stands_where_its_clients_look(dialect):
    """Also a field that nobody here knows, whatever it is called."""
    counted = {"web_search_requests": 1}
    ending = {
        "stop_reason": "pause_turn",
        "container": {"id": "c"},
        "server_tool_use": counted,
        "kind": "x",
    }
    outcome = Outcome(text="a", finish_reason="stop", ending=ending)

    closing = msgspec.json.decode(dialect.closing(outcome, BILL)[-2].data)
    message = msgspec.json.decode(dialect.whole(outcome, BILL, ()))

    told = {"stop_reason": "pause_turn", "container": {"id": "c"}}
    assert closing["delta"] == {**told, "stop_sequence": None}
    assert {name: message[name] for name in told} == told
    assert closing["kind"] == message["kind"] == "x"
    assert closing["usage"]["server_tool_use"] == message["usage"]["server_tool_use"] == counted
