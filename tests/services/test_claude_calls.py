"""A model behind Anthropic's Messages API, asked in every way that Larder can be asked."""

import msgspec
import pytest

from tests.doubles.anthropic_server import KEY, MODELS, AnthropicServer
from tests.factories.chats import events_of, make_conversation, say

ASKED = [{"role": "user", "content": "good day"}]
RATES = {"input": "3", "output": "15", "cached_input": "0.3", "cache_write": "3.75"}


@pytest.fixture
def claude(admin):
    """A provider `claude`, its models synced."""
    server = AnthropicServer().start()
    new = {"id": "claude", "wire_format": "anthropic", "base_url": server.url, "secret": KEY}
    assert admin.post("/api/providers", json=new).status_code == 201
    synced = admin.post("/api/providers/claude/sync").json
    assert (synced["listed"], synced["added"]) == (len(MODELS), len(MODELS))
    yield server
    server.close()


def _complete(client, model, **body):
    asked = {"model": f"claude/{model}", "messages": ASKED, **body}
    return client.post("/v1/chat/completions", json=asked)


def _chunks(answer):
    lines = answer.data.decode().split("\n\n")
    told = [each.removeprefix("data: ") for each in lines if each.startswith("data: {")]
    return [msgspec.json.decode(each) for each in told]


def test_an_openai_client_reads_claude(alice, claude):
    """Streamed and whole, with tools, in OpenAI's shape."""
    whole = _complete(alice, "tools").json
    streamed = _chunks(_complete(alice, "tools", stream=True))

    deltas = [each["choices"][0]["delta"] for each in streamed]
    assert whole["choices"][0]["message"]["content"] == "You said: good day "
    assert "".join(each.get("content") or "" for each in deltas) == "You said: good day "
    assert [each["id"] for each in whole["choices"][0]["message"]["tool_calls"]] == [
        "toolu_1",
        "toolu_2",
    ]
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert claude.requests[0]["max_tokens"] == 4096
    assert claude.versions == ["2023-06-01"] * 2


def test_a_conversation_with_claude_keeps_thoughts_apart(alice, claude):
    """As with every other provider."""
    chat = make_conversation(alice, model="claude/thinking")

    events = events_of(say(alice, chat, "good day").data)

    assert events[0][1]["model"] == "claude/thinking"
    (_, answer) = alice.get(f"/api/conversations/{chat}/messages").json["items"]
    assert (answer["content"], answer["reasoning"]) == ("You said: good day ", "Let me see.")


def test_a_signed_thought_comes_through_to_openais_and_anthropics_clients(alice, claude):
    """Both must send it back with their tools' results."""
    whole = _complete(alice, "thinking").json["choices"][0]["message"]
    streamed = [
        each["choices"][0]["delta"] for each in _chunks(_complete(alice, "thinking", stream=True))
    ]
    message = alice.post(
        "/v1/messages", json={"model": "claude/thinking", "max_tokens": 50, "messages": ASKED}
    ).json

    signed = {"type": "reasoning.text", "index": 0, "text": "Let me see.", "signature": "sig=="}
    assert whole["reasoning_details"] == [signed]
    assert [each["reasoning_details"] for each in streamed if "reasoning_details" in each] == [
        [signed]
    ]
    assert message["content"][0] == {
        "type": "thinking",
        "thinking": "Let me see.",
        "signature": "sig==",
    }


def test_cached_tokens_are_paid_by_their_own_rates(admin, alice, claude):
    """Read, kept for minutes, kept for an hour: three rates beside the plain one."""
    price = {"price_override": {"rates": {**RATES, "cache_write_1h": "6"}}}
    assert admin.patch("/api/models/claude/cached", json=price).status_code == 200

    _complete(alice, "cached")

    (row,) = alice.get("/api/costs/records").json["items"]
    assert (row["input_tokens"], row["cached_tokens"]) == (1310, 1000)
    assert (row["cache_write_tokens"], row["cache_write_1h_tokens"]) == (300, 100)
    millionths = 10 * 3 + 1000 * 0.3 + 200 * 3.75 + 100 * 6 + 4 * 15
    assert float(row["cost_usd"]) == pytest.approx(millionths / 10**6, rel=1e-12)


def test_an_answer_that_breaks_off_is_booked_with_the_prompt_as_it_was_counted(alice, claude):
    """Its output by what came: neither nothing nor the one token that the beginning says."""
    answer = _complete(alice, "break", stream=True)

    assert b"provider_broken" in answer.data
    (row,) = alice.get("/api/costs/records").json["items"]
    assert (row["status"], row["is_estimated"]) == ("broken", True)
    assert (row["input_tokens"], row["output_tokens"]) == (2, 3)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status-400", 400, "provider_rejected"),
        ("status-401", 502, "provider_auth_failed"),
        ("status-429", 429, "provider_rate_limited"),
        ("status-529", 502, "provider_unavailable"),
    ],
)
def test_a_refusal_looks_as_every_providers(alice, claude, model, status, code):
    """And shows no key."""
    refused = _complete(alice, model)

    assert (refused.status_code, refused.json["error"]["code"]) == (status, code)
    assert KEY.encode() not in refused.data


def test_what_cannot_be_said_to_claude_is_refused_by_its_field(alice, claude):
    """Before anything is sent."""
    refused = _complete(alice, "echo", n=2)

    assert (refused.status_code, refused.json["error"]["param"]) == (400, "n")
    assert claude.requests == []


def test_what_an_anthropic_client_says_reaches_claude_as_it_was_said(alice, claude):
    """An answer that comes back otherwise than it was given is refused, as are its thoughts."""
    mark = {"cache_control": {"type": "ephemeral"}}
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    image = {"type": "image", "source": source}
    said = {
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True, **mark}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "thinking": {"type": "adaptive"},
        "system": [{"type": "text", "text": "Be brief.", **mark}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "good day", **mark}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "Let me see."},
                    {"type": "redacted_thinking", "data": "e"},
                    {**use, **mark},
                    {**use, "id": "t2", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [image], **mark},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "x", "is_error": True},
                ],
            },
        ],
    }

    answer = alice.post("/v1/messages", json={"model": "claude/echo", "max_tokens": 50, **said})

    assert answer.status_code == 200
    (asked,) = claude.requests
    assert {name: asked[name] for name in said} == said
