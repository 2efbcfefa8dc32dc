"""The adapter of the Messages API: its headers, its paths, its list of models."""

from dataclasses import replace

import msgspec
import pytest

from providers import protocol
from providers.anthropic.adapter import AnthropicProvider
from providers.protocol import ChatRequest, ModelListing, ProviderConfig, ProviderRejected
from tests.doubles.anthropic_server import MODELS
from tests.doubles.wire_server import whole

REQUEST = ChatRequest("m", {"messages": [{"role": "user", "content": "hi"}]}, stream=False)


@pytest.fixture
def listed(wire):
    """What the adapter makes of a list, page by page."""

    def listing(*pages):
        raw = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in pages]
        wire.replies(*([whole(each)] for each in raw))
        return AnthropicProvider(_config(wire.url)).list_models()

    return listing


def _config(url, **fields):
    return ProviderConfig("up", "anthropic", base_url=url, **fields)


@pytest.mark.parametrize("base", ["", "/v1", "/v1/"])
def test_a_message_is_asked_for_with_key_and_version(wire, base):
    """The base URL may end with the version's path, as others' do."""
    wire.replies([whole(b'{"content": []}')])
    url = wire.url.removesuffix("/v1") + base

    list(AnthropicProvider(_config(url, api_key="sk-ours")).stream(REQUEST))

    top = wire.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert top.startswith(b"post /v1/messages http/1.1\r\n")
    assert b"x-api-key: sk-ours" in top
    assert b"anthropic-version: 2023-06-01" in top
    assert b"authorization" not in top


def test_betas_go_where_anthropic_looks_for_them(wire):
    """In the body they would be refused."""
    wire.replies([whole(b'{"content": []}')])
    asked = replace(REQUEST, body={**REQUEST.body, "anthropic_beta": ["one-2026-01-01", "two"]})

    list(AnthropicProvider(_config(wire.url)).stream(asked))

    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert b"anthropic-beta: one-2026-01-01,two\r\n" in head + b"\r\n"
    assert b"anthropic_beta" not in body


@pytest.mark.parametrize("said", [["a\r\nx-api-key: b"], [1], {"a": 1}, 1, ["a,b"], [""]])
def test_what_is_no_list_of_betas_is_refused_before_anybody_is_asked(wire, said):
    """A client may write them into its body as well."""
    asked = replace(REQUEST, body={**REQUEST.body, "anthropic_beta": said})

    with pytest.raises(ProviderRejected) as refused:
        AnthropicProvider(_config(wire.url)).stream(asked)

    assert (refused.value.param, refused.value.was_sent) == ("anthropic_beta", False)
    assert wire.requests == []


def test_another_version_of_the_api_may_be_named(wire):
    """By the provider's row; and without a key none is sent."""
    wire.replies([whole(b'{"content": []}')])

    list(AnthropicProvider(_config(wire.url, api_version="2026-10-21")).stream(REQUEST))

    assert b"anthropic-version: 2026-10-21" in wire.requests[0]
    assert b"x-api-key" not in wire.requests[0]


def test_all_pages_of_the_list_are_read(provider):
    """The double gives five at a time; what a model can do is in the catalogue's words."""
    listed = provider.list_models()

    assert [each.name for each in listed] == list(MODELS)
    assert listed[0] == ModelListing(
        "echo",
        "The echo",
        200_000,
        4096,
        ("chat", "streaming", "tools", "vision", "thinking", "structured_outputs"),
    )


@pytest.mark.parametrize(
    ("row", "listing"),
    [
        ({"id": "a"}, ModelListing("a")),
        ({"id": "a", "display_name": 5, "max_tokens": "x", "max_input_tokens": 0},
         ModelListing("a")),
        ({"id": "a", "capabilities": {"thinking": {"supported": True, "types": {"adaptive": {
            "supported": True}}}, "effort": {"supported": True}}},
         ModelListing("a", capabilities=(
             "chat", "streaming", "tools", "thinking", "effort", "adaptive_thinking"))),
        ({"id": "a", "capabilities": {"thinking": 5, "image_input": {"supported": "yes"}}},
         ModelListing("a", capabilities=("chat", "streaming", "tools"))),
    ],
)  # fmt: skip
def test_a_row_says_what_it_says_and_nonsense_is_left_out(listed, row, listing):
    """Gateways that speak the format say less."""
    rows = [row, None, {"id": 5}, {"id": "old", "lifecycle": "retired"}]

    assert listed({"data": rows}) == [listing]


def test_a_list_that_turns_in_a_circle_has_an_end(listed, wire):
    """A gateway that ignores the cursor must not keep a sync for ever."""
    page = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}

    listed(page)

    assert len(wire.requests) == 2


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[]", b'{"data": 5}', b"[" * 100_000])
def test_what_is_no_list_is_malformed(listed, body):
    """One error of the family, whatever comes."""
    with pytest.raises(protocol.ProviderMalformed):
        listed(body)
