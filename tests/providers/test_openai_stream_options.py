"""The wish to be counted: most providers want it said, some refuse it."""

import msgspec
import pytest

from providers import protocol
from providers.openai import OpenAIProvider
from providers.protocol import ChatRequest, ProviderConfig
from tests.doubles.wire_server import whole

MISTRAL = {
    "object": "error",
    "message": {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "stream_options", "include_usage"],
                "msg": "Extra inputs are not permitted",
                "input": True,
            }
        ]
    },
    "type": "invalid_request_error",
    "param": None,
    "code": None,
}
AZURE = {"error": {"message": "Unrecognized request argument supplied: stream_options"}}
NAMED = {"error": {"message": "Unsupported parameter.", "param": "stream_options"}}
ANSWER = [whole(b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}')]


@pytest.fixture
def provider(wire):
    """The adapter of a server whose bytes the test writes down."""
    made = OpenAIProvider(ProviderConfig("up", "openai", base_url=wire.url))
    yield made
    made.close()


def _refusal(body, status="422 No"):
    return [whole(msgspec.json.encode(body), status)]


def _asked(provider, model="m", **body):
    (chunk,) = provider.stream(ChatRequest(model, {"messages": [], **body}))
    return chunk.text


def _options(wire):
    """The `stream_options` of each request."""
    bodies = [msgspec.json.decode(each.partition(b"\r\n\r\n")[2]) for each in wire.requests]
    return [each.get("stream_options") for each in bodies]


@pytest.mark.parametrize("refusal", [MISTRAL, AZURE, NAMED])
def test_who_refuses_the_wish_to_be_counted_is_asked_without_it(wire, provider, refusal):
    """And from then on: Mistral's API refuses it in each stream, and counts all the same."""
    wire.replies(_refusal(refusal), ANSWER)

    said = [_asked(provider), _asked(provider)]

    assert said == ["hi", "hi"]
    assert _options(wire) == [{"include_usage": True}, None, None]


def test_other_models_are_asked_to_count_all_the_same(wire, provider):
    """Behind a gateway each may be another provider's."""
    wire.replies(_refusal(MISTRAL), ANSWER)
    _asked(provider, "one")

    _asked(provider, "two")

    assert _options(wire)[-1] == {"include_usage": True}


def test_what_is_refused_for_another_reason_is_not_asked_again(wire, provider):
    """Nor is what is refused once more without it: then the caller's own options are at fault."""
    wire.replies(_refusal({"message": "Too hot."}), _refusal(MISTRAL), _refusal(AZURE), ANSWER)

    for options in ({}, {"stream_options": {"odd": 1}}):
        with pytest.raises(protocol.ProviderRejected):
            _asked(provider, **options)
    _asked(provider)

    counted = {"include_usage": True}
    assert _options(wire) == [counted, {"odd": 1, **counted}, {"odd": 1}, counted]


def test_a_whole_answer_has_no_such_wish(wire, provider):
    """What is refused there is the caller's own."""
    wire.replies(_refusal(AZURE))
    asked = ChatRequest("m", {"messages": [], "stream_options": {}}, stream=False)

    with pytest.raises(protocol.ProviderRejected):
        provider.stream(asked)

    assert len(wire.requests) == 1
