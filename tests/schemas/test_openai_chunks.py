"""Completions and chunks, put together and taken apart without loss."""

import msgspec
import pytest

from schemas.openai_chunks import assembled, is_whole, taken_apart, with_usage

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CALLS = [
    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "logprobs": {"content": [{"token": "a", "logprob": -1.0}], "refusal": None},
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "a", "refusal": None},
        },
        {
            "index": 1,
            "logprobs": None,
            "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": None, "tool_calls": CALLS},
        },
    ],
    "usage": USAGE,
}


def _chunk(delta, *, index=0, **more):
    choice = {"index": index, "delta": delta, "finish_reason": None, **more}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    return msgspec.json.encode({**head, "choices": [choice]})


def test_pieces_make_the_whole():
    """Text, thoughts, log probabilities and the reason of each choice."""
    whole = assembled(
        [
            _chunk({"role": "assistant", "content": ""}),
            _chunk({"reasoning_content": "h"}),
            _chunk({"reasoning_content": "m"}),
            _chunk({"content": "a"}, logprobs={"content": [1], "refusal": None}),
            _chunk({"content": "z"}, index=1),
            _chunk({"content": "b"}, logprobs={"content": [2]}),
            _chunk({}, finish_reason="stop"),
            _chunk({}, index=1, finish_reason="length"),
        ],
        USAGE,
    )

    first, second = whole["choices"]
    assert (whole["id"], whole["object"], whole["usage"]) == ("c1", "chat.completion", USAGE)
    assert first["message"] == {
        "role": "assistant",
        "content": "ab",
        "reasoning_content": "hm",
    }
    assert (first["logprobs"], first["finish_reason"]) == ({"content": [1, 2]}, "stop")
    assert (second["message"]["content"], second["finish_reason"]) == ("z", "length")


def test_tool_calls_are_put_together_by_index():
    """Arguments come in pieces."""
    whole = assembled(
        [
            _chunk({"tool_calls": [{"index": 0, "id": "t1", "type": "function",
                                    "function": {"name": "f", "arguments": ""}}]}),
            _chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
            _chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            _chunk({"tool_calls": [{"index": 1, "id": "t2", "type": "function",
                                    "function": {"name": "g", "arguments": "{}"}}]}),
        ],
        USAGE,
    )  # fmt: skip

    assert whole["choices"][0]["message"]["tool_calls"] == CALLS


def test_what_a_first_piece_leaves_out_comes_later():
    """Nulls, an empty id and a function that is none are no calls, no id and no function."""
    pieces: list[dict[str, object] | None] = [
        None,
        {"index": 0, "id": "", "function": {"name": None, "arguments": ""}},
        {"index": 0, "function": "f"},
        {"index": 0, "id": "late", "function": {"name": "f"}},
    ]

    whole = assembled([_chunk({"tool_calls": [each]}) for each in pieces], USAGE)

    assert whole["choices"][0]["message"]["tool_calls"] == [
        {"id": "late", "function": {"name": "f", "arguments": ""}}
    ]


def test_a_call_by_its_older_name_is_put_together():
    """It comes in pieces too."""
    pieces: list[dict[str, object] | None] = [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a"'},
        {"arguments": ":1}"},
        None,
    ]

    whole = assembled([_chunk({"function_call": each}) for each in pieces], USAGE)

    call = whole["choices"][0]["message"]["function_call"]
    assert call == {"name": "f", "arguments": '{"a":1}'}


def test_a_whole_taken_apart_and_put_together_is_the_same():
    """Nothing is lost either way."""
    chunks = taken_apart(msgspec.json.encode(WHOLE))

    again = assembled(chunks, USAGE)

    again["choices"][0]["logprobs"]["refusal"] = None
    assert again == WHOLE


def test_a_whole_taken_apart_ends_each_choice_once():
    """As a stream does."""
    chunks = [msgspec.json.decode(each) for each in taken_apart(msgspec.json.encode(WHOLE))]

    reasons = [each["choices"][0]["finish_reason"] for each in chunks]
    assert reasons == [None, None, "stop", "tool_calls"]
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert [each["index"] for each in chunks[1]["choices"][0]["delta"]["tool_calls"]] == [0, 1]


def test_calls_of_a_whole_are_numbered_by_their_place():
    """Whatever their indexes say, and with nulls among them."""
    message = {"tool_calls": [None, *({**each, "index": 0} for each in CALLS)]}
    raw = msgspec.json.encode({"choices": [{"index": 0, "message": message}]})

    first, _ = taken_apart(raw)

    (choice,) = msgspec.json.decode(first)["choices"]
    assert choice["delta"]["tool_calls"] == [
        {**call, "index": place} for place, call in enumerate(CALLS)
    ]


def test_a_whole_is_told_from_a_chunk():
    """Also where a text speaks of messages."""
    assert is_whole(msgspec.json.encode(WHOLE))
    assert not is_whole(_chunk({"content": 'the "message"'}))


def test_halves_of_a_character_become_one_again():
    """A provider cut it over two chunks; what was kept is asked for whole."""
    raws = [
        b'{"choices":[{"index":0,"delta":{"content":"so \\ud83d"}}]}',
        b'{"choices":[{"index":0,"delta":{"content":"\\ude00"},"finish_reason":"stop"}]}',
    ]

    (choice,) = assembled(raws, USAGE)["choices"]

    assert choice["message"]["content"] == "so \U0001f600"


def test_a_half_without_its_other_is_replaced():
    """Nobody could be sent it."""
    raw = b'{"choices":[{"index":0,"message":{"content":"so \\ud83d"},"finish_reason":"stop"}]}'

    first, _ = taken_apart(raw)

    assert msgspec.json.decode(first)["choices"][0]["delta"]["content"] == "so \ufffd"


@pytest.mark.parametrize("own", [None, [], {"prompt_tokens_details": None, "cost": 1}])
def test_a_usage_is_put_over_a_providers_own(own):
    """What it counts is ours, also where it says it in another form; all else stays."""
    ours = {"prompt_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}

    told = with_usage(_chunk({}) if own is None else msgspec.json.encode({"usage": own}), ours)

    assert msgspec.json.decode(told)["usage"] == {**(own or {}), **ours}


def test_a_usage_is_put_over_a_chunk_with_half_a_character():
    """It is replaced, as elsewhere."""
    told = with_usage(b'{"choices":[],"usage":{},"note":"\\ud83d"}', USAGE)

    assert msgspec.json.decode(told) == {"choices": [], "usage": USAGE, "note": "\ufffd"}
