"""The official OpenAI client works by changing `base_url` and `api_key`."""

import json
from typing import Any

import openai
import pytest
import urllib3
from pydantic import BaseModel

from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

ASKED: list[Any] = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def client(larder: GunicornServer) -> openai.OpenAI:
    """The client as people set it up."""
    return openai.OpenAI(base_url=f"{larder.url}/v1", api_key=ADMIN_KEY, max_retries=0)


def test_models_are_listed_and_found(client):
    """A slash in a model's id is sent as %2F by the client."""
    listed = [each.id for each in client.models.list()]

    assert "openai/echo" in listed
    assert client.models.retrieve("openai/echo").id == "openai/echo"


def test_a_completion_comes_whole(client):
    """Text, usage, and what it cost in a header."""
    raw = client.chat.completions.with_raw_response.create(model="openai/echo", messages=ASKED)

    done = raw.parse()
    assert done.choices[0].message.content == "You said: hello there "
    assert done.usage.completion_tokens == 4
    assert raw.headers["x-larder-cache"] == "bypass"
    assert raw.headers["x-larder-stream-id"]


def test_a_completion_streams_with_usage(client):
    """The last chunk has no choices but the usage, as the client asked."""
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model="openai/echo", messages=ASKED, stream=True, stream_options=options
        )
    )

    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == "You said: hello there "
    assert chunks[-1].usage.total_tokens == 6


def test_without_include_usage_no_usage_chunk_comes(client):
    """Larder asks the provider for the usage; a client that did not ask is not sent it."""
    chunks = list(client.chat.completions.create(model="openai/echo", messages=ASKED, stream=True))

    assert all(each.choices for each in chunks)


def test_tools_pass_through(client):
    """What the model wants called reaches the caller, and unknown fields reach the provider."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    done = client.chat.completions.create(
        model="openai/tools", messages=ASKED, tools=[tool], extra_body={"unheard_of": 1}
    )

    assert done.choices[0].finish_reason == "tool_calls"
    assert done.choices[0].message.tool_calls[0].function.name == "weather"


def test_a_bad_key_raises_the_clients_own_error(larder):
    """A revoked or mistyped key is an AuthenticationError."""
    stranger = openai.OpenAI(base_url=f"{larder.url}/v1", api_key="lk-nobody", max_retries=0)

    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.models.list()

    assert caught.value.code == "invalid_api_key"


def test_an_unknown_model_raises_the_clients_own_error(client):
    """A mistyped model is a NotFoundError with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="openai/nothing", messages=ASKED)

    assert caught.value.code == "model_not_found"


def test_a_bad_request_names_the_field(client):
    """Messages that are none are a BadRequestError with the parameter."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="openai/echo", messages=[])

    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("status-400", openai.BadRequestError),
        ("status-429", openai.RateLimitError),
        ("status-500", openai.InternalServerError),
        ("status-401", openai.InternalServerError),
    ],
)
def test_a_providers_refusal_raises_the_fitting_error(client, model, error):
    """The provider's 401 is Larder's fault, not the caller's; no key is ever shown."""
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=f"openai/{model}", messages=ASKED)

    assert "sk-upstream" not in str(caught.value)


def test_texts_are_embedded(client):
    """The client asks for base64 by itself, and decodes it."""
    done = client.embeddings.create(model="openai/echo", input=["hello there", "you"])

    assert [each.embedding for each in done.data] == [[11.0, 0.5], [3.0, 0.5]]
    assert done.usage.prompt_tokens == 3


def test_a_key_over_its_limit_raises_the_clients_own_error(larder):
    """With what the client needs to come back in time."""
    made = larder.post("/api/keys", {"name": "slow", "requests_per_minute": 1})
    limited = openai.OpenAI(
        base_url=f"{larder.url}/v1", api_key=made.json()["secret"], max_retries=0
    )
    with pytest.raises(openai.RateLimitError) as caught:
        [limited.models.list() for _ in range(5)]  # memory counts for each worker

    headers = caught.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_a_stream_may_be_left_and_is_still_booked(larder, client):
    """A client that goes away costs what the provider charged."""
    stream = client.chat.completions.create(model="openai/slow", messages=ASKED, stream=True)
    call_id = stream.response.headers["X-Larder-Stream-Id"]
    next(iter(stream))
    stream.close()

    wait_until(lambda: _booked(larder, call_id))
    (record,) = _booked(larder, call_id)
    assert (record["status"], record["output_tokens"]) == ("ok", 4)


def _booked(larder, call_id):
    """The ledger's rows of one call; other tests call at the same time."""
    listed = larder.get("/api/costs/records?limit=100").json()["items"]
    return [each for each in listed if each["call_id"] == call_id]


@pytest.mark.parametrize("stream", [True, False])
def test_a_kept_answer_is_read_like_any_other(client, stream):
    """The cache is asked for in the body's own words."""
    fields: Any = {"extra_body": {"cache": {"ttl": 60, "namespace": f"n{stream}"}}}
    states = []
    for _ in range(3):  # memory keeps for each of two workers
        raw = client.chat.completions.with_raw_response.create(
            model="openai/echo", messages=ASKED, stream=stream, **fields
        )
        states.append(raw.headers["x-larder-cache"])
        # Read to its end before the next: what is still in flight would be shared, not kept.
        assert _text(raw.parse()) == "You said: hello there "

    assert "hit" in states


def _text(done):
    if isinstance(done, openai.Stream):
        return "".join(each.choices[0].delta.content or "" for each in done)
    return done.choices[0].message.content


def test_a_stream_that_breaks_raises_in_the_client(client):
    """Breaking off is an error, not a silent end."""
    chunks = client.chat.completions.create(model="openai/break", messages=ASKED, stream=True)

    with pytest.raises(openai.APIError):
        list(chunks)


def test_several_choices_and_their_chances_come_through(client):
    """`n` and `logprobs`, whole and streamed."""
    done = client.chat.completions.create(
        model="openai/echo", messages=ASKED, n=2, logprobs=True, top_logprobs=1
    )
    chunks = list(
        client.chat.completions.create(
            model="openai/echo", messages=ASKED, n=2, logprobs=True, stream=True
        )
    )

    assert [each.index for each in done.choices] == [0, 1]
    assert [each.token for each in done.choices[1].logprobs.content][:2] == ["You ", "said: "]
    assert {each.choices[0].index for each in chunks} == {0, 1}
    assert chunks[0].choices[0].logprobs.content[0].logprob == -0.69


class Said(BaseModel):
    """What the schema below is made of."""

    said: str


def test_an_answer_of_a_schema_is_parsed_by_the_client(client):
    """The client makes the schema of a class, and the class of the answer."""
    done = client.chat.completions.parse(model="openai/echo", messages=ASKED, response_format=Said)

    assert done.choices[0].message.parsed == Said(said="hello there")


def test_an_image_reaches_the_provider(larder, client, provider_url):
    """As it was sent, beside its words."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    said: Any = [{"role": "user", "content": [{"type": "text", "text": "see this"}, image]}]
    done = client.chat.completions.create(model="openai/echo", messages=said)

    asked = json.loads(urllib3.request("GET", provider_url.removesuffix("/v1") + "/_requests").data)
    assert done.choices[0].message.content == "You said: see this "
    assert image in [part for each in asked for part in _parts(each)]


def _parts(asked):
    """The parts of the last thing said; other requests of this server have none."""
    content = asked.get("messages", [{"content": ""}])[-1]["content"]
    return content if isinstance(content, list) else []


@pytest.mark.parametrize("streamed", [True, False])
def test_anthropics_models_are_models_like_any_other(client, streamed):
    """Parallel tools, reasoning and usage, in OpenAI's words."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    fields: Any = {"model": "anthropic/tools", "messages": ASKED, "tools": [tool]}
    if streamed:
        with client.chat.completions.stream(**fields) as stream:
            done = stream.until_done().get_final_completion()
    else:
        done = client.chat.completions.create(**fields)

    (choice,) = done.choices
    arguments = [json.loads(each.function.arguments) for each in choice.message.tool_calls]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "You said: hello there "
    assert arguments == [{"city": "Oslo"}, {"city": "Rome"}]


@pytest.mark.parametrize("model", ["parallel", "unnumbered"])
def test_streamed_calls_are_told_apart(client, model):
    """By their indexes, though the provider gives all the same: the client knows no other way."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    fields: Any = {"model": f"openai/{model}", "messages": ASKED, "tools": [tool]}

    with client.chat.completions.stream(**fields) as stream:
        calls = stream.until_done().get_final_completion().choices[0].message.tool_calls

    assert [(each.id, json.loads(each.function.arguments)["city"]) for each in calls] == [
        ("call_1", "Oslo"),
        ("call_2", "Rome"),
    ]


def test_a_models_several_thoughts_come_through(client):
    """Each with its signature or its code: the client puts lists together by indexes."""
    with client.chat.completions.stream(model="anthropic/interleaved", messages=ASKED) as stream:
        message = stream.until_done().get_final_completion().choices[0].message

    assert [(each["index"], each["type"]) for each in message.reasoning_details] == [
        (0, "reasoning.text"),
        (1, "reasoning.encrypted"),
    ]
