"""Tool calls in the ways of those who speak OpenAI's format nearly."""

import json
from typing import Any

import pytest

from providers.chat_chunks import streamed_chunk, whole_chunk
from providers.sse import ServerEvent
from providers.tool_calls import CallIndexes
from streams.outcome import Tally

WEATHER = {"name": "weather", "arguments": "{}"}
TEXT = '{"city":"Oslö"}'


def _streamed(**delta):
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return streamed_chunk(ServerEvent(json.dumps({"choices": [choice]}).encode()), "")


def _whole(**message):
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return whole_chunk(json.dumps({"choices": [choice]}).encode(), "")


def _call(call_id="t", **function):
    return {"index": 0, "id": call_id, "type": "function", "function": function}


def test_a_call_by_its_older_name_is_a_tool_call():
    """It begins an answer, is booked, and reaches clients that know no `function_call`."""
    tally = Tally()
    pieces: list[dict[str, object]] = [
        {"name": "weather", "arguments": ""},
        {"arguments": '{"city":'},
        {"arguments": '"Oslö"}'},
    ]
    chunks = [_streamed(function_call=each) for each in pieces]
    for each in chunks:
        tally.add(each)

    outcome = tally.outcome(error=None, cancelled=False, first_token_s=None, duration_s=0.0)

    assert all(each.says_something for each in chunks)
    assert [each["function"] for each in outcome.tool_calls] == [
        {"name": "weather", "arguments": TEXT}
    ]
    assert json.loads(chunks[0].raw or b"")["choices"][0]["delta"] == {"function_call": pieces[0]}


@pytest.mark.parametrize("nothing", [None, {}, {"name": None, "arguments": ""}, "weather", 5])
def test_nothing_under_the_older_name_is_no_call(nothing):
    """Some servers write all fields that there are."""
    assert not _streamed(content="a", function_call=nothing).tool_calls


def test_a_call_under_both_names_is_one():
    """Gateways write it twice, for clients old and new."""
    function = {"name": "f", "arguments": "{}"}

    chunk = _whole(tool_calls=[_call(**function)], function_call=function)

    assert chunk.tool_calls == (_call(**function),)


@pytest.mark.parametrize("read", [_streamed, _whole])
def test_arguments_that_are_an_object_become_their_text(read):
    """In what is relayed too: official clients add them up as text."""
    chunk = read(tool_calls=[None, _call(name="f", arguments={"city": "Oslö"})])

    (choice,) = json.loads(chunk.raw)["choices"]
    relayed = (choice.get("delta") or choice.get("message"))["tool_calls"]
    assert relayed == [None, *chunk.tool_calls] == [None, _call(name="f", arguments=TEXT)]


def test_arguments_that_are_an_object_are_counted_in_other_choices():
    """As their text is."""
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    raw = json.dumps({"choices": [{"index": 1, "delta": {"tool_calls": [call]}}]}).encode()

    assert streamed_chunk(ServerEvent(raw), "").beside_chars == len('{"a":1}')


@pytest.mark.parametrize("arguments", ["{}", "", None])
def test_what_is_right_is_relayed_as_it_came(arguments):
    """Byte for byte."""
    call = _call(name="f", arguments=arguments)

    chunk = _streamed(tool_calls=[call])

    assert chunk.tool_calls == (call,)
    assert b'"tool_calls": [' in (chunk.raw or b"")


@pytest.mark.parametrize("function", ["weather", None, [1]])
def test_a_function_that_is_none_is_empty(function):
    """Whoever reads it looks for a name in it; a number for an id is a text that can be sent."""
    (call,) = _streamed(tool_calls=[{"id": 12, "function": function}]).tool_calls

    assert call == {"id": "12", "function": {}}


@pytest.mark.parametrize(
    "deltas",
    [
        [{"id": "a", "function": WEATHER}, {"id": "b", "function": WEATHER}],
        [{"index": 0, "id": each, "function": WEATHER} for each in ("a", "b")],
        [{"function": WEATHER}, {"function": WEATHER}],
        [None, {"index": 1, "function": WEATHER}, {"index": 2, "id": "", "function": WEATHER}],
        [
            {"function": {"name": "weather", "arguments": ""}},
            {"function": {"name": None, "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"index": None, "function": {**WEATHER, "arguments": {}}},
        ],
        [
            {"index": 0, "function": {"name": "weather", "arguments": ""}},
            {"index": 0, "id": "late"},
            {"function": {"arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "weather"}},
            {"id": "b", "function": {"arguments": "{}"}},
            {"id": "late", "function": {"arguments": ""}},
        ],
    ],
)
def test_calls_are_told_apart_whatever_their_indexes(deltas):
    """In what is relayed as well: official clients add pieces up by their indexes alone."""
    indexes, tally = CallIndexes(), Tally()
    relayed: list[dict[str, Any]] = []
    for delta in deltas:
        chunk = _streamed(tool_calls=[delta])
        indexes.settle(chunk)
        tally.add(chunk)
        (choice,) = json.loads(chunk.raw)["choices"]
        relayed += filter(None, choice["delta"]["tool_calls"])

    calls = tally.outcome(
        error=None, cancelled=False, first_token_s=None, duration_s=0.0
    ).tool_calls
    assert [each["function"] for each in calls] == [WEATHER] * 2
    assert len({each["id"] for each in calls} - {None, ""}) == 2
    for index in (0, 1):
        pieces = [each.get("function", {}) for each in relayed if each["index"] == index]
        assert "".join(each.get("arguments") or "" for each in pieces) == "{}"


def test_calls_of_a_whole_answer_are_numbered_by_their_place():
    """Each entry is one, though neither index nor id says so."""
    chunk = _whole(tool_calls=[_call("", name="f"), None, _call("", name="f")])

    assert [each["index"] for each in chunk.tool_calls] == [0, 1]
