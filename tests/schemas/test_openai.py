"""OpenAI's chat requests as they are read, and its answers as they are written."""

import json

import pytest
from marshmallow import ValidationError

from schemas.openai import (
    ChatCompletionSchema,
    chunk_json,
    completion_json,
    error_data,
    error_json,
    usage_chunk_json,
)

ASKED = {"model": "demo/echo", "messages": [{"role": "user", "content": "Hi"}]}


def test_what_larder_does_not_know_goes_to_the_provider():
    """At the top and within messages; model, streaming and the cache's words are ours."""
    sent = {**ASKED, "seed": 7, "cache": {"ttl": 60}, "stream": True, "tools": [{"x": 1}]}

    call = ChatCompletionSchema().load(sent)

    assert call.body == {"messages": ASKED["messages"], "seed": 7, "tools": [{"x": 1}]}
    assert (call.model, call.stream, call.include_usage) == ("demo/echo", True, False)
    assert call.cache is not None


def test_usage_is_included_when_it_is_asked_for():
    """Clients that did not ask would stumble over a chunk without choices."""
    call = ChatCompletionSchema().load({**ASKED, "stream_options": {"include_usage": True}})

    assert call.include_usage


def test_options_of_a_stream_that_are_not_ours_are_passed_on():
    """A stream's alone: OpenAI refuses them elsewhere."""
    options = {"include_usage": True, "include_obfuscation": False}

    streamed = ChatCompletionSchema().load({**ASKED, "stream": True, "stream_options": options})
    whole = ChatCompletionSchema().load({**ASKED, "stream_options": options})

    assert streamed.include_usage
    assert streamed.body["stream_options"] == {"include_obfuscation": False}
    assert "stream_options" not in whole.body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", 7),
        ("messages", []),
        ("messages", "Hi"),
        ("messages", [{"content": "no role"}]),
        ("stream", "yes"),
        ("stream_options", []),
    ],
)
def test_what_is_wrong_is_named(field, value):
    """What Larder itself needs has to be right."""
    with pytest.raises(ValidationError) as refused:
        ChatCompletionSchema().load({**ASKED, field: value})

    assert set(refused.value.normalized_messages()) == {field}


def test_chunks_and_completions_are_in_one_envelope():
    """An id, a kind, a time, a model, and choices that are numbered."""
    chunk = json.loads(chunk_json("1", "m", 5, {"delta": {"content": "x"}, "finish_reason": None}))
    whole = json.loads(completion_json("1", "m", 5, {"message": {}}, {"total_tokens": 3}))

    assert (chunk["id"], chunk["object"]) == ("chatcmpl-1", "chat.completion.chunk")
    assert chunk["choices"] == [
        {"index": 0, "logprobs": None, "delta": {"content": "x"}, "finish_reason": None}
    ]
    assert (whole["object"], whole["usage"]) == ("chat.completion", {"total_tokens": 3})


def test_the_usage_chunk_has_no_choices():
    """As OpenAI's own."""
    chunk = json.loads(usage_chunk_json("1", "m", 5, {"total_tokens": 3}))

    assert (chunk["choices"], chunk["usage"]) == ([], {"total_tokens": 3})


def test_a_problem_in_a_stream_becomes_openais_error():
    """One that is OpenAI's already stays as it is."""
    raw = error_json("No.", "api_error", None, "gone")

    assert error_data(b'{"detail": "No.", "code": "gone"}') == raw
    assert error_data(raw) == raw
