"""The `/v1` call as services see it: relayed or written, booked, and nothing kept of it."""

import threading
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas.openai import ChatCall
from services import completions
from services.errors import NotFound, UpstreamFailed
from services.relays import CHAT
from tests.doubles.wire_server import HOLD, head, whole
from tests.factories.models import make_provider
from tests.streams.scripts import wait_until

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
PATH = "/v1/chat/completions"


@pytest.fixture
def settings(settings, request):
    """The suite's, with what a test changes of it."""
    return replace(settings, **getattr(request, "param", {}))


@pytest.fixture
def wired(admin, wire):
    """A provider `acme` with a model `m`, whose bytes the test writes down."""
    make_provider(admin, wire.url, secret="sk-ours")
    admin.post("/api/models", json={"id": "acme/m"})
    return wire


def _call(model, *, stream=True, include_usage=False):
    return ChatCall(model, stream, include_usage, HELLO)


def _lines(principal, call):
    reply = completions.answer(principal, call, CHAT)
    return [event.data for batch in reply.batches() for event in batch]


def _streams(wire, *events):
    wire.replies([head("200 OK"), b"".join(b"data: %b\n\n" % each for each in events), b""])


def _done(principal, model):
    return completions.answer(principal, _call(model, stream=False), CHAT)


def test_a_providers_chunks_go_out_byte_for_byte(principal, wired):
    """Fields that nobody here knows, the order, the spacing: all as it came."""
    odd = b'{ "choices": [{"delta": {"content": "a", "new": 1}}], "x":1.0e0, "id" : "q" }'
    other = b'{"choices":[{"index":1,"delta":{"content":"second"}}]}'
    end = b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'
    _streams(wired, odd, other, end, b"[DONE]")

    assert _lines(principal, _call("acme/m")) == [odd, other, end, b"[DONE]"]


def test_a_whole_answer_goes_out_byte_for_byte(principal, wired):
    """With the provider's own id and usage."""
    body = b'{ "choices": [{"message": {"content": "a", "new": 1}}], "id" : "q" }'
    wired.replies([whole(body)])

    done = _done(principal, "acme/m")

    assert done.body == body
    assert done.cost_usd is None


@pytest.mark.parametrize(
    "usage_chunk",
    [
        b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}',
        b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}',
        b'{"choices":[{"delta":{"content":""}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}',
    ],
)
@pytest.mark.parametrize("include_usage", [True, False])
def test_the_providers_usage_is_replaced_by_ours(principal, wired, usage_chunk, include_usage):
    """It was asked for by us; ours has the cost, comes once, and last."""
    text = b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}'
    _streams(wired, text, usage_chunk, b"[DONE]")

    first, *ours, done = _lines(principal, _call("acme/m", include_usage=include_usage))

    assert (first, done) == (text, b"[DONE]")
    assert len(ours) == include_usage
    usages = [msgspec.json.decode(each)["usage"] for each in ours]
    assert [each["total_tokens"] for each in usages] == [3] * include_usage


def test_a_text_with_its_usage_in_one_chunk_is_not_lost(principal, wired):
    """Some say the usage with the last words."""
    both = (
        b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":2,"completion_tokens":1}}'
    )
    _streams(wired, both, b"[DONE]")

    assert _lines(principal, _call("acme/m")) == [both, b"[DONE]"]


def test_another_format_is_written_as_openais(principal, clock):
    """One id over all chunks, the role once, one end, then ours."""
    *lines, done = _lines(principal, _call("demo/echo", include_usage=True))

    chunks = [msgspec.json.decode(each) for each in lines]
    assert done == b"[DONE]"
    assert len({each["id"] for each in chunks}) == 1
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert {each["created"] for each in chunks} == {int(clock.now().timestamp())}
    assert {each["model"] for each in chunks} == {"demo/echo"}
    deltas = [each["choices"][0]["delta"] for each in chunks[:-1]]
    assert deltas[0]["role"] == "assistant"
    assert [each for each in deltas[1:] if "role" in each] == []
    assert "".join(each.get("content", "") for each in deltas).endswith("You said: hello")
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 12,
        "total_tokens": 13,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        "cost_usd": "0",
        "estimated": False,
    }


def test_another_formats_whole_answer_is_written_as_openais(principal):
    """With what official clients need of it."""
    done = _done(principal, "demo/echo")

    body = msgspec.json.decode(done.body)
    assert (body["object"], body["model"]) == ("chat.completion", "demo/echo")
    assert body["id"] == f"chatcmpl-{done.stream_id}"
    (choice,) = body["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["content"].endswith("You said: hello")
    assert choice["message"]["refusal"] is None
    assert done.cost_usd == body["usage"]["cost_usd"] == "0"


def test_a_failure_in_mid_stream_is_the_last_line(principal, wired):
    """In OpenAI's shape, with our word for it, without `[DONE]` and without our key."""
    text = b'{"choices":[{"delta":{"content":"a"}}]}'
    refusal = b'{"error":{"message":"bad key sk-ours","type":"invalid_request_error"}}'
    _streams(wired, text, refusal)

    first, last = _lines(principal, _call("acme/m", include_usage=True))

    assert first == text
    assert msgspec.json.decode(last)["error"] == {
        "message": "bad key ***",
        "type": "invalid_request_error",
        "param": None,
        "code": "provider_rejected",
    }


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_raised_and_booked_and_no_stream_is_left(principal, alice, wired, stream):
    """Before the first token it is a plain error to the caller."""
    wired.replies([whole(b'{"error":{"message":"no","param":"tools"}}', "400 No")])

    with pytest.raises(UpstreamFailed) as refused:
        completions.answer(principal, _call("acme/m", stream=stream), CHAT)

    assert (refused.value.detail, refused.value.param) == ("no", "tools")
    (record,) = alice.get("/api/costs/records").json["items"]
    assert (record["status"], record["error_code"]) == ("error", "provider_rejected")
    assert alice.get("/api/streams").json["items"] == []


def test_a_whole_answer_that_breaks_off_is_an_error(principal, alice, wired):
    """Half a JSON body is none."""
    wired.replies([head("200 OK", "Content-Length: 999"), b'{"choices": [{"mess', b""])

    with pytest.raises(UpstreamFailed) as refused:
        _done(principal, "acme/m")

    assert refused.value.code == "provider_broken"


def test_an_unknown_model_is_refused_before_anything_is_noted(principal, alice):
    """No stream, no record."""
    with pytest.raises(NotFound):
        completions.answer(principal, _call("acme/nothing"), CHAT)

    assert alice.get("/api/costs/records").json["items"] == []


def test_a_call_that_is_not_streamed_is_stopped_at_once(alice, wired):
    """Its caller waits no longer, nor does the provider write for nobody."""
    wired.replies([HOLD])
    answers: list[Any] = []
    body = {"model": "acme/m", **HELLO}
    asking = threading.Thread(
        target=lambda: answers.append(alice.post("/v1/chat/completions", json=body))
    )
    asking.start()
    wait_until(lambda: bool(wired.requests))
    (running,) = alice.get("/api/streams").json["items"]

    stopped = alice.delete(f"/api/streams/{running['id']}")
    asking.join(20)

    assert stopped.status_code == 204
    assert not asking.is_alive()
    assert wired.hung_up.wait(10)
    (record,) = alice.get("/api/costs/records").json["items"]
    assert record["status"] == "cancelled"


@pytest.mark.parametrize("settings", [{"response_cache_shared": ("faq",)}], indirect=True)
def test_the_stream_of_another_users_call_is_not_named(alice, bob, provided):
    """Who shares it could neither read it again nor stop it; who repeats the request asks anew."""
    asked = {**HELLO, "model": "up/slow", "stream": True, "cache": {"namespace": "faq"}}
    first = alice.post(PATH, json=asked)
    copies = [
        bob.post(PATH, json=asked, headers={"Idempotency-Key": "once"}),
        alice.post(PATH, json=asked),
    ]
    read = [each.data for each in (first, *copies)]
    repeated = bob.post(PATH, json=asked, headers={"Idempotency-Key": "once"})

    assert [each.headers["X-Larder-Cache"] for each in copies] == ["coalesced"] * 2
    named = [each.headers.get("X-Larder-Stream-Id") for each in (first, *copies)]
    assert named == [named[0], None, named[0]]
    assert (repeated.status_code, repeated.headers["X-Larder-Cache"]) == (200, "hit")
    assert repeated.data == read[1]
