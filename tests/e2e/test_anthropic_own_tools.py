"""Tools that run at Anthropic, by the official client: as without Larder in between."""

import json
from typing import Any

import anthropic
import openai
import pytest

from tests.doubles.anthropic_server import CITED, COMPACTED, FOUND, KEY, SEARCH
from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

ASKED: list[Any] = [{"role": "user", "content": "hello there"}]
TOOLS: list[Any] = [
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    {"type": "bash_20250124", "name": "bash"},
    {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    {"type": "memory_20250818", "name": "memory"},
    {"type": "code_execution_20250825", "name": "code_execution"},
]


@pytest.fixture
def client(larder: GunicornServer) -> anthropic.Anthropic:
    """The client as people set it up."""
    return anthropic.Anthropic(base_url=larder.url, api_key=ADMIN_KEY, max_retries=0)


@pytest.fixture
def direct(anthropic_url: str) -> anthropic.Anthropic:
    """The client as it speaks to the provider itself."""
    return anthropic.Anthropic(base_url=anthropic_url, api_key=KEY, max_retries=0)


def _asked(client: Any, model: str, *, streamed: bool, **fields: Any) -> Any:
    wanted = {"model": model, "max_tokens": 100, "messages": ASKED, **fields}
    if not streamed:
        return client.create(**wanted)
    with client.stream(**wanted) as stream:
        return stream.get_final_message()


BOTH = pytest.mark.parametrize("streamed", [True, False])


@BOTH
@pytest.mark.parametrize("model", ["searching", "paused", "interleaved"])
def test_an_answer_is_what_it_is_without_larder(client, direct, model, streamed):
    """Its blocks, why it ended, its container, and how often was searched."""
    through = _asked(client.messages, f"anthropic/{model}", streamed=streamed, tools=TOOLS)
    without = _asked(direct.messages, model, streamed=streamed, tools=TOOLS)

    assert through.to_dict()["content"] == without.to_dict()["content"]
    assert through.stop_reason == without.stop_reason
    assert through.container == without.container
    assert through.usage.server_tool_use == without.usage.server_tool_use


@BOTH
def test_the_next_turn_goes_back_as_it_came(client, streamed):
    """Blocks of all kinds where they stood, and the tools: what the provider is asked shows it."""
    message = _asked(client.messages, "anthropic/searching", streamed=streamed, tools=TOOLS)
    files: list[Any] = [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "T"},
        {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
        {"type": "container_upload", "file_id": "file_3"},
    ]
    found: Any = {"type": "search_result", "source": "s", "title": "t", "content": []}
    result: Any = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [found]}
    answer = [_plain(each) for each in message.to_dict()["content"]]
    turns: list[Any] = [
        *ASKED,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result, *files]},
    ]

    mirrored = _asked(
        client.messages, "anthropic/mirror", streamed=False, tools=TOOLS, messages=turns
    )

    told = json.loads(mirrored.content[0].text)
    assert told["tools"] == TOOLS
    assert [_plain(each) for each in told["messages"][1]["content"]] == answer
    assert told["messages"][2]["content"] == [result, *files]
    kinds = [each["type"] for each in answer]
    assert kinds == ["text", SEARCH["type"], FOUND["type"], "text", "tool_use"]


@BOTH
def test_the_response_cache_gives_the_answer_again_in_either_form(client, streamed):
    """With all its blocks."""
    fields = {"tools": TOOLS, "extra_headers": {"Cache-Control": "max-age=60"}}
    fields["system"] = f"kept {streamed}"
    first = _asked(client.messages, "anthropic/searching", streamed=streamed, **fields)
    again = _asked(client.messages, "anthropic/searching", streamed=not streamed, **fields)

    said = [each.to_dict() for each in (first, again)]
    blocks = [[_plain(each) for each in message["content"]] for message in said]
    assert blocks[0] == blocks[1]
    assert blocks[0][1:4] == [SEARCH, _plain(FOUND), CITED]
    assert first.id == again.id
    assert first.usage.server_tool_use == again.usage.server_tool_use


def _plain(block: Any) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}


@pytest.mark.parametrize("model", ["paused", "compacting"])
def test_what_cannot_be_given_again_is_not_kept(client, model):
    """A turn that goes on at the provider; a stream of parts that nobody here can put together."""

    def met() -> object:
        asked = client.messages.with_raw_response.create(
            model=f"anthropic/{model}",
            max_tokens=50,
            messages=ASKED,
            stream=True,
            extra_headers={"Cache-Control": "max-age=60"},
        )
        assert list(asked.parse())[-1].type == "message_stop"
        return asked.headers.get("X-Larder-Cache")

    assert [met(), met()] == ["miss", "miss"]


@BOTH
def test_blocks_and_deltas_of_a_beta_reach_its_client(client, streamed):
    """Of kinds that nothing here knows."""
    fields = {"streamed": streamed, "betas": ["compact-2026-01-12"]}
    message = _asked(client.beta.messages, "anthropic/compacting", **fields)

    assert message.content[0].to_dict() == COMPACTED
    assert message.content[1].text == "You said: hello there "


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": TOOLS}, r"tools\.0\.type"),
        (
            {"messages": [*ASKED, {"role": "assistant", "content": [SEARCH]}]},
            r"messages\.1\.content\.0\.type",
        ),
    ],
)
def test_other_providers_models_are_not_asked_for_them(client, fields, named):
    """The field is named."""
    with pytest.raises(anthropic.BadRequestError, match=named):
        _asked(client.messages, "openai/echo", streamed=False, **fields)


def test_an_openai_client_sees_the_text(larder):
    """And the call that is for it to make; nothing that its types do not have breaks it."""
    client = openai.OpenAI(base_url=f"{larder.url}/v1", api_key=ADMIN_KEY, max_retries=0)
    wanted: dict[str, Any] = {"model": "anthropic/searching", "messages": ASKED}
    whole = client.chat.completions.create(**wanted).choices[0]
    with client.chat.completions.stream(**wanted) as stream:
        streamed = stream.get_final_completion().choices[0]

    assert whole.message.content == "You said: hello there It is sunny."
    assert streamed.message.content == whole.message.content
    assert whole.finish_reason == streamed.finish_reason == "tool_calls"
    calls: list[Any] = [*(whole.message.tool_calls or ()), *(streamed.message.tool_calls or ())]
    assert [each.function.name for each in calls] == ["weather", "weather"]
    assert {each.function.arguments for each in calls} == {'{"city":"Oslo"}', '{"city": "Oslo"}'}
