"""`POST /v1/chat/completions` as OpenAI's clients meet it."""

from collections import Counter

import msgspec
import pytest

from tests.doubles.openai_server import KEY

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
USAGE = {"stream_options": {"include_usage": True}}


def _asked(client, model="demo/echo", headers=None, **fields):
    body = {"model": model, "messages": HELLO, **fields}
    # Read to its end: what follows looks at what was booked.
    return client.post(PATH, json=body, headers=headers or {}, buffered=True)


def _lines(answer):
    return [each.removeprefix(b"data: ") for each in answer.data.split(b"\n\n")[:-1]]


def _chunks(answer):
    return [msgspec.json.decode(each) for each in _lines(answer) if each != b"[DONE]"]


def _text(chunks):
    choices = [choice for each in chunks for choice in each["choices"]]
    return "".join(each["delta"].get("content") or "" for each in choices)


def _record(client):
    return client.get("/api/costs/records").json["items"][0]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("demo/echo", "I am not a language model, only an echo. You said: hello"),
        ("up/echo", "You said: hello "),
    ],
)
def test_a_whole_completion_is_of_openais_shape(alice, provided, model, text):
    """Relayed where the provider speaks it, written where not: clients see no difference."""
    answer = _asked(alice, model)

    body = answer.json
    choice = body["choices"][0]
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert body["object"] == "chat.completion"
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == text
    assert body["usage"]["total_tokens"] > 0
    assert answer.headers["X-Larder-Cache"] == "bypass"
    assert answer.headers["X-Larder-Stream-Id"]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("demo/echo", "I am not a language model, only an echo. You said: hello"),
        ("up/echo", "You said: hello "),
    ],
)
def test_a_streamed_completion_is_of_openais_shape(alice, provided, model, text):
    """Chunks, one end, `[DONE]`; the role comes with the first."""
    answer = _asked(alice, model, stream=True)

    chunks = _chunks(answer)
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert _lines(answer)[-1] == b"[DONE]"
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert _text(chunks) == text
    ends = [each["choices"][0]["finish_reason"] for each in chunks]
    assert ends == [None] * (len(ends) - 1) + ["stop"]


@pytest.mark.parametrize("model", ["up/echo", "up/usage-everywhere"])
def test_every_choice_reaches_the_client(alice, provided, model):
    """Also where the provider counts in every chunk."""
    chunks = _chunks(_asked(alice, model, stream=True, n=2))

    choices = [choice for each in chunks for choice in each["choices"]]
    said = {"You ": 2, "said: ": 2, "hello ": 2}
    assert Counter(each["delta"]["content"] for each in choices if each["delta"]) == said
    assert {each["index"] for each in choices} == {0, 1}


@pytest.mark.parametrize("model", ["demo/echo", "up/echo", "up/usage-none", "up/usage-everywhere"])
def test_the_usage_chunk_is_ours_comes_last_and_only_if_asked_for(alice, provided, model):
    """With what the call cost; whatever the provider says of usage, and when."""
    asked = _chunks(_asked(alice, model, stream=True, **USAGE))
    unasked = _chunks(_asked(alice, model, stream=True))

    usage = asked[-1]["usage"]
    assert asked[-1]["choices"] == []
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert usage["cost_usd"] == ("0" if model == "demo/echo" else None)
    assert usage["estimated"] is (model == "up/usage-none")
    assert [each for each in unasked if not each["choices"]] == []
    assert _text(unasked) == _text(asked)


def test_the_cost_is_in_a_header_if_it_is_known(admin, alice, provided):
    """Unpriced is not zero."""
    price = {"rates": {"input": "1000", "output": "2"}}
    unpriced = _asked(alice, "up/echo")
    assert admin.put("/api/costs/pricing/up/echo", json=price).status_code in {200, 201}

    priced = _asked(alice, "up/echo")

    assert "X-Larder-Cost-Usd" not in unpriced.headers
    assert priced.headers["X-Larder-Cost-Usd"] == _record(alice)["cost_usd"]
    assert float(priced.headers["X-Larder-Cost-Usd"]) > 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_is_booked_once_and_no_conversation_is_kept(alice, provided, stream):
    """The ledger knows it; nothing that was said is stored."""
    _asked(alice, "up/echo", stream=stream)

    (record,) = alice.get("/api/costs/records").json["items"]
    assert (record["status"], record["endpoint"]) == ("ok", "chat.completions")
    assert (record["input_tokens"], record["output_tokens"]) == (1, 3)
    assert alice.get("/api/conversations").json["items"] == []
    assert alice.get("/api/streams").json["items"] == []


def test_what_we_do_not_know_reaches_the_provider(alice, provided):
    """But for what is Larder's own; the model is the provider's name for it."""
    fields = {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_object"},
        "tomorrow": [1, {"a": None}],
        "cache": {"ttl": 5},
    }
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    messages = [{"role": "user", "content": parts, "name": "Al"}]

    _asked(alice, "up/echo", messages=messages, **fields)

    fields.pop("cache")
    assert provided.requests[-1] == {
        "model": "echo",
        "messages": messages,
        "stream": False,
        **fields,
    }


def test_a_bare_name_stands_for_the_one_model_that_has_it(admin, alice, provided):
    """Programs written for OpenAI say `gpt-4o`; two of that name must not be guessed between."""
    alone = _asked(alice, "usage-zero")
    twice = _asked(alice, "echo")

    assert alone.status_code == 200
    assert (twice.status_code, twice.json["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status-400", 400, "provider_rejected"),
        ("status-401", 502, "provider_auth_failed"),
        ("status-404", 400, "provider_rejected"),
        ("status-429", 429, "provider_rate_limited"),
        ("status-500", 502, "provider_unavailable"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_a_plain_error_in_openais_shape(alice, provided, model, status, code, stream):
    """Also where a stream was asked for; booked as an error, without our key.

    What is wrong with a request is said in the provider's own word, which clients know.
    """
    answer = _asked(alice, f"up/{model}", stream=stream)

    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert answer.json["error"]["code"] == ("c" if code == "provider_rejected" else code)
    assert KEY not in answer.text
    assert answer.headers.get("Retry-After") == ("11" if status == 429 else None)
    assert (_record(alice)["status"], _record(alice)["error_code"]) == ("error", code)


@pytest.mark.parametrize(
    ("model", "code"),
    [("break", "provider_broken"), ("malformed", "provider_malformed")],
)
def test_a_stream_that_fails_says_so_and_is_not_done(alice, provided, model, code):
    """A client must not take half an answer for a whole one."""
    lines = _lines(_asked(alice, f"up/{model}", stream=True))

    last = msgspec.json.decode(lines[-1])
    assert b"[DONE]" not in lines
    assert last["error"]["code"] == code
    assert _record(alice)["status"] == "broken"


def test_a_repeat_gives_the_first_answer(alice, provided):
    """A call that is repeated by a nervous client is paid once."""
    name = {"Idempotency-Key": "once"}
    first = _asked(alice, "up/echo", headers=name)

    again = _asked(alice, "up/echo", headers=name)

    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(provided.requests) == 1


def test_a_repeat_of_a_stream_gives_its_chunks_again(alice, provided):
    """Byte for byte, from the first."""
    name = {"Idempotency-Key": "once"}
    first = _asked(alice, "up/echo", headers=name, stream=True)

    again = _asked(alice, "up/echo", headers=name, stream=True)

    assert again.data == first.data
    assert again.headers["X-Larder-Stream-Id"] == first.headers["X-Larder-Stream-Id"]
    assert len(provided.requests) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": "x" * 301}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages.0.role"),
        ({"messages": ["x"]}, "messages.0"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ],
)
def test_a_wrong_field_is_named(alice, fields, param):
    """A 400 with the parameter, as OpenAI has it; nothing is booked."""
    answer = _asked(alice, **fields)

    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param
    assert alice.get("/api/costs/records").json["items"] == []
