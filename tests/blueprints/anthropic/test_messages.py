"""`POST /v1/messages` as Anthropic's clients meet it."""

import msgspec
import pytest

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "hello"}]


def _asked(client, model="up/echo", headers=None, **fields):
    body = {"model": model, "max_tokens": 50, "messages": HELLO, **fields}
    return client.post(PATH, json=body, headers=headers or {}, buffered=True)


def _names(answer):
    return [
        line.removeprefix("event: ")
        for line in answer.text.splitlines()
        if line.startswith("event: ")
    ]


@pytest.mark.parametrize("model", ["up/echo", "demo/echo"])
def test_a_message_is_of_anthropics_shape(alice, provided, model):
    """Whatever the provider speaks."""
    answer = _asked(alice, model)

    assert answer.status_code == 200
    assert (answer.json["type"], answer.json["role"]) == ("message", "assistant")
    assert answer.json["model"] == model
    assert answer.json["content"][0]["text"].strip().endswith("hello")
    assert answer.headers["request-id"] == answer.headers["X-Request-Id"]
    assert answer.headers["X-Larder-Stream-Id"]


@pytest.mark.parametrize(
    ("alias", "target", "limit"),
    [("smart", "gpt-5", "max_completion_tokens"), ("o1-like", "other", "max_tokens")],
)
def test_a_limit_is_named_as_the_model_behind_an_alias_knows_it(
    admin, alice, provided, alias, target, limit
):
    """What the alias is called says nothing of it."""
    admin.post("/api/models", json={"id": f"up/{target}"})
    new = {"id": alias, "kind": "alias", "targets": [{"model": f"up/{target}"}]}
    assert admin.post("/api/models", json=new).status_code == 201

    assert _asked(alice, alias).status_code == 200
    (asked,) = provided.requests
    assert [name for name, value in asked.items() if value == 50] == [limit]


def test_a_stream_names_its_events(alice, provided):
    """And is booked as a call of this end point."""
    answer = _asked(alice, stream=True)

    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert _names(answer)[0] == "message_start"
    assert _names(answer)[-2:] == ["message_delta", "message_stop"]
    (record,) = alice.get("/api/costs/records").json["items"]
    assert (record["endpoint"], record["status"]) == ("messages.anthropic", "ok")
    assert (record["input_tokens"], record["output_tokens"]) == (1, 3)


def test_a_provider_of_openais_format_is_asked_in_it(alice, provided):
    """Without a word that it might refuse."""
    mark = {"type": "ephemeral"}
    system = [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    _asked(alice, system=system, metadata={"user_id": "u"}, stop_sequences=["END"], top_k=3)

    assert provided.requests[-1] == {
        "model": "echo",
        "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
        "max_tokens": 50,
        "stop": ["END"],
        "user": "u",
        "stream": False,
    }


def test_betas_are_for_anthropics_models_alone(alice, provided):
    """Others are not asked in words that they do not know; nobody is in words that are none."""
    answer = _asked(alice, headers={"anthropic-beta": "context-1m-2025-08-07, other"})
    refused = _asked(alice, headers={"anthropic-beta": "not; a list"})

    assert answer.status_code == 200
    assert "anthropic_beta" not in provided.requests[-1]
    assert (refused.status_code, len(provided.requests)) == (400, 1)
    assert "anthropic-beta" in refused.json["error"]["message"]


def test_a_key_may_come_as_x_api_key(client, alice):
    """The way of the official client."""
    body = {"model": "demo/echo", "max_tokens": 9, "messages": HELLO}
    answer = client.post(PATH, json=body, headers={"x-api-key": alice.key})

    assert answer.status_code == 200


def test_a_repeat_of_a_stream_gives_its_events_again(alice, provided):
    """Byte for byte, and nothing is asked twice."""
    name = {"Idempotency-Key": "once"}
    first = _asked(alice, headers=name, stream=True)
    again = _asked(alice, headers=name, stream=True)

    assert again.data == first.data
    assert len(provided.requests) == 1


@pytest.mark.parametrize("model", ["break", "malformed"])
def test_a_stream_that_fails_says_so_last(alice, provided, model):
    """With an event that clients raise."""
    answer = _asked(alice, f"up/{model}", stream=True)

    assert _names(answer)[-1] == "error"
    last = msgspec.json.decode(answer.data.split(b"data: ")[-1])
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")


def test_tokens_are_estimated_without_asking_anybody(alice, provided):
    """It says that it is an estimate; tools count."""
    body = {"model": "up/echo", "messages": HELLO}
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    answer = alice.post(f"{PATH}/count_tokens", json=body)
    plain = answer.json
    more = alice.post(f"{PATH}/count_tokens", json={**body, "tools": [tool]}).json

    assert plain == {"input_tokens": 3, "estimated": True}
    assert more["input_tokens"] > 10
    assert answer.headers["request-id"] == answer.headers["X-Request-Id"]
    assert provided.requests == []
