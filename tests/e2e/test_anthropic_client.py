"""The official Anthropic client works by changing `base_url` and `api_key`, over any model."""

from typing import Any

import anthropic
import pytest

from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

ASKED: list[Any] = [{"role": "user", "content": "hello there"}]
TOOL: Any = {"name": "weather", "description": "w", "input_schema": {"type": "object"}}


@pytest.fixture
def client(larder: GunicornServer) -> anthropic.Anthropic:
    """The client as people set it up: its key goes as `x-api-key`."""
    return anthropic.Anthropic(base_url=larder.url, api_key=ADMIN_KEY, max_retries=0)


def _said(client, model="openai/echo", **fields):
    return client.messages.create(model=model, max_tokens=100, messages=ASKED, **fields)


def _streamed(client, model="openai/echo", **fields):
    return client.messages.stream(model=model, max_tokens=100, messages=ASKED, **fields)


def test_a_message_comes_whole(client):
    """Text, reason and usage, in the client's own types."""
    message = _said(client, system="Be brief.")

    (block,) = message.content
    assert (block.type, block.text) == ("text", "You said: hello there ")
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert message.usage.output_tokens == 4
    assert message._request_id  # noqa: SLF001 (the client's public way to it)


def test_a_message_streams_in_the_order_that_the_client_expects(client):
    """Its helpers raise on any other."""
    with _streamed(client) as stream:
        events = [each.type for each in stream if each.type in anthropic_types()]
        message = stream.get_final_message()

    inner = ["content_block_start", *["content_block_delta"] * 4, "content_block_stop"]
    assert events == ["message_start", *inner, "message_delta", "message_stop"]
    assert message.content[0].text == "You said: hello there "
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 4)
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) == 2


def anthropic_types():
    """Anthropic's own events; the helpers add theirs."""
    return {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    }


@pytest.mark.parametrize("streamed", [True, False])
def test_a_tool_is_called_and_its_result_is_taken(client, streamed):
    """The loop of an agent: called, answered, and asked again with both turns."""
    if streamed:
        with _streamed(client, "openai/tools", tools=[TOOL]) as stream:
            message = stream.get_final_message()
    else:
        message = _said(client, "openai/tools", tools=[TOOL])
    (use,) = message.content
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    again = client.messages.create(
        model="openai/echo",
        max_tokens=100,
        tools=[TOOL],
        messages=[
            *ASKED,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result, {"type": "text", "text": "and now"}]},
        ],
    )

    assert (message.stop_reason, use.name, use.input) == ("tool_use", "weather", {"city": "Oslo"})
    assert again.content[0].text == "You said: and now "


@pytest.mark.parametrize("model", ["parallel", "unnumbered"])
def test_calls_that_come_interleaved_are_blocks_one_after_the_other(client, model):
    """Each with its own arguments, and whole before its block is stopped."""
    with _streamed(client, f"openai/{model}", tools=[TOOL]) as stream:
        stopped = [each.content_block.input for each in stream if each.type == "content_block_stop"]
        message = stream.get_final_message()

    assert [(each.id, each.input) for each in message.content] == [
        ("call_1", {"city": "Oslo"}),
        ("call_2", {"city": "Rome"}),
    ]
    assert stopped == [{"city": "Oslo"}, {"city": "Rome"}]


def test_what_a_model_thinks_is_a_block_of_its_own(client):
    """Before the text."""
    with _streamed(client, "openai/reasoning") as stream:
        message = stream.get_final_message()

    assert [each.type for each in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Let me think. "


def test_tokens_are_counted_by_estimate(client):
    """Enough to keep a window from overflowing."""
    counted = client.messages.count_tokens(model="openai/echo", messages=ASKED, tools=[TOOL])

    assert counted.input_tokens > 3


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("nothing", anthropic.NotFoundError),
        ("status-400", anthropic.BadRequestError),
        ("status-429", anthropic.RateLimitError),
        ("status-500", anthropic.InternalServerError),
    ],
)
def test_errors_raise_the_clients_own_classes(client, model, error):
    """With a body that it can read."""
    with pytest.raises(error) as caught:
        _said(client, f"openai/{model}")

    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["message"]
    assert caught.value.request_id


def test_a_bad_key_raises_the_clients_own_error(larder):
    """A mistyped one, in the header that this client uses."""
    stranger = anthropic.Anthropic(base_url=larder.url, api_key="lk-nobody", max_retries=0)

    with pytest.raises(anthropic.AuthenticationError):
        _said(stranger)


def test_a_bad_request_names_the_field(client):
    """In the message, since the shape has no other place."""
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content\.0\.type"):
        client.messages.create(
            model="openai/echo",
            max_tokens=1,
            messages=[{"role": "user", "content": [{"type": "hologram"}]}],
        )


def test_a_stream_that_breaks_raises_in_the_client(client):
    """Breaking off is an error, not a silent end."""
    with pytest.raises(anthropic.APIError), _streamed(client, "openai/break") as stream:
        stream.get_final_message()


def test_models_are_listed_page_by_page(client):
    """The client's own pager walks them all."""
    listed = [each.id for each in client.models.list(limit=7)]

    assert {"openai/echo", "anthropic/thinking"} <= set(listed)
    assert len(listed) == len(set(listed)) > 7
    assert client.models.retrieve("openai/echo").type == "model"


def test_over_anthropics_own_models_nothing_is_lost(client):
    """Thoughts with their signatures, tools, what the prompt cache took."""
    with _streamed(client, "anthropic/thinking") as stream:
        thought = stream.get_final_message()
    called = _said(client, "anthropic/tools", tools=[TOOL])
    cached = _said(client, "anthropic/cached")

    assert (thought.content[0].type, thought.content[0].signature) == ("thinking", "sig==")
    uses = [each.input for each in called.content if each.type == "tool_use"]
    assert uses == [{"city": "Oslo"}, {"city": "Rome"}]
    assert cached.usage.cache_read_input_tokens == 1000
    assert cached.usage.cache_creation_input_tokens == 300


def test_betas_are_turned_on_over_anthropics_own_models(client):
    """The client has a namespace of its own for them; they are part of what is asked."""

    def met(*betas: str) -> object:
        asked = client.beta.messages.with_raw_response.create(
            model="anthropic/echo",
            max_tokens=50,
            messages=[{"role": "user", "content": "with betas"}],
            betas=list(betas),
            extra_headers={"Cache-Control": "max-age=60"},
        )
        assert "betas" in asked.parse().content[0].text
        return asked.headers.get("X-Larder-Cache")

    assert [met(), met(), met("one"), met("one")] == ["miss", "hit", "miss", "hit"]


def test_thoughts_between_texts_stand_where_they_stood(client):
    """Streamed or not: sent back at another place they are refused."""
    with _streamed(client, "anthropic/interleaved") as stream:
        streamed = stream.get_final_message()
    whole = _said(client, "anthropic/interleaved")

    kinds = ["thinking", "text", "redacted_thinking", "tool_use"]
    assert [each.type for each in streamed.content] == kinds
    assert [each.type for each in whole.content] == kinds


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("status-400", anthropic.BadRequestError),
        ("status-429", anthropic.RateLimitError),
        ("status-529", anthropic.InternalServerError),
    ],
)
def test_anthropics_own_refusals_raise_their_classes(client, model, error):
    """Through Larder as without it."""
    with pytest.raises(error):
        _said(client, f"anthropic/{model}")
