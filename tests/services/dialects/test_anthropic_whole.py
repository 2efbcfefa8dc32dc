"""Answers for Anthropic's clients that are whole: messages, whole blocks, and how they end."""

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
)
from streams.outcome import Outcome
from tests.services.dialects.anthropic_events import BILL, events_of, in_short


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "tool_use"), (None, "tool_use"), ("length", "max_tokens"), ("cancelled", None)],
)
def test_a_call_is_a_reason_to_stop(anthropic, reason, told):
    """Clients run no tool behind `end_turn`, as Gemini's `stop` would be."""
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    outcome = Outcome(tool_calls=[call], finish_reason=reason)

    closing = [msgspec.json.decode(each.data) for each in anthropic.closing(outcome, BILL)]

    assert closing[-2]["delta"]["stop_reason"] == told
    assert msgspec.json.decode(anthropic.whole(outcome, BILL, ()))["stop_reason"] == told


def test_the_sequence_that_ended_an_answer_is_told(anthropic):
    """As the provider named it; without one its end is the turn's."""
    outcome = Outcome(text="a", finish_reason="stop", stop_sequence="END")
    told = {"stop_reason": "stop_sequence", "stop_sequence": "END"}

    closing = [msgspec.json.decode(each.data) for each in anthropic.closing(outcome, BILL)]
    message = msgspec.json.decode(anthropic.whole(outcome, BILL, ()))

    assert closing[-2]["delta"] == told
    assert {name: message[name] for name in told} == told


def test_a_whole_answer_has_all_blocks(anthropic):
    """In the same order."""
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    outcome = Outcome(text="a", reasoning="hm", tool_calls=[call], finish_reason="tool_calls")

    message = msgspec.json.decode(anthropic.whole(outcome, BILL, ()))

    assert [each["type"] for each in message["content"]] == ["thinking", "text", "tool_use"]
    assert (message["id"], message["stop_reason"]) == ("msg_c1", "tool_use")
    assert message["usage"]["output_tokens"] == 3


def test_a_failure_is_an_error_event(anthropic):
    """Clients raise it."""
    draft = anthropic.failure(ProviderBroken("It broke."))

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
def test_a_failure_amid_an_answer_says_of_what_kind_it_is(anthropic, fault, kind):
    """As before the first token: clients tell by it whether, and when, to ask again."""
    error = msgspec.json.decode(anthropic.failure(fault).data)["error"]

    assert error == {"type": kind, "message": "m"}


CITED = {"type": "char_location", "cited_text": "x"}
BLOCKS = (
    {"type": "thinking", "thinking": "hm", "signature": "s1"},
    {"type": "text", "text": "a"},
    {"type": "redacted_thinking", "data": "x=="},
    {"type": "text", "text": "b", "citations": [CITED]},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
)


def test_a_whole_answer_has_its_blocks_as_they_came(anthropic):
    """A thought that goes back at another place is refused by the model."""
    outcome = Outcome(text="ab", reasoning="hm", blocks=BLOCKS, finish_reason="tool_calls")

    assert msgspec.json.decode(anthropic.whole(outcome, BILL, ()))["content"] == list(BLOCKS)


def test_blocks_that_came_whole_are_streamed_in_their_order(anthropic):
    """An answer that was kept whole may be asked for as a stream."""
    events = events_of(anthropic, Chunk(text="ab", reasoning="hm", blocks=BLOCKS))

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


def test_a_providers_own_events_of_blocks_pass_as_they_are(anthropic):
    """Byte for byte, between the message's start and its end; an open block is stopped there."""
    drafts = [draft for chunk in RELAYED for draft in anthropic.chunk(chunk)]
    closing = anthropic.closing(Outcome(finish_reason="stop"), BILL)

    assert [draft.name for draft in drafts[:2]] == ["message_start", "ping"]
    assert [(draft.name, draft.data) for draft in drafts[2:]] == [each.event for each in RELAYED]
    assert msgspec.json.decode(closing[0].data) == {"type": "content_block_stop", "index": 1}


def test_text_behind_relayed_blocks_has_the_next_place(anthropic):
    """A provider may lose count amid its answer."""
    events = events_of(anthropic, *RELAYED, Chunk("a"))

    assert in_short(events)[-6:-2] == [("stop", 1), ("start", 2), ("delta", 2), ("stop", 2)]


def test_an_answer_that_was_kept_as_a_stream_is_put_together(anthropic):
    """Its blocks are those that a client makes of the events."""
    outcome = Outcome(text="a", events=tuple(each.event[1] for each in RELAYED[:4]))

    message = msgspec.json.decode(anthropic.whole(outcome, BILL, ()))

    assert message["content"] == [{**SEARCH, "input": {"q": 1}}, {"type": "text", "text": ""}]


def test_what_only_anthropic_tells_of_the_end_stands_where_its_clients_look(anthropic):
    """Also a field that nobody here knows, whatever it is called."""
    counted = {"web_search_requests": 1}
    ending = {
        "stop_reason": "pause_turn",
        "container": {"id": "c"},
        "server_tool_use": counted,
        "kind": "x",
    }
    outcome = Outcome(text="a", finish_reason="stop", ending=ending)

    closing = msgspec.json.decode(anthropic.closing(outcome, BILL)[-2].data)
    message = msgspec.json.decode(anthropic.whole(outcome, BILL, ()))

    told = {"stop_reason": "pause_turn", "container": {"id": "c"}}
    assert closing["delta"] == {**told, "stop_sequence": None}
    assert {name: message[name] for name in told} == told
    assert closing["kind"] == message["kind"] == "x"
    assert closing["usage"]["server_tool_use"] == message["usage"]["server_tool_use"] == counted
