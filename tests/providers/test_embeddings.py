"""Embeddings as a call of one chunk."""

import pytest

from providers import protocol
from providers.demo import DemoProvider
from providers.embeddings import EmbeddingsOf
from providers.openai import OpenAIProvider
from providers.protocol import ChatRequest, ProviderConfig, Usage
from tests.doubles.wire_server import head, whole

ASKED = ChatRequest("m", {"input": "a"}, stream=False)
BODY = b'{ "data": [{"embedding": [1.0]}], "usage": {"prompt_tokens": 3, "total_tokens": 3} }'


@pytest.fixture
def provider(wire):
    """A provider of OpenAI's format, whose bytes the test writes down."""
    return EmbeddingsOf(OpenAIProvider(ProviderConfig("up", "openai", base_url=wire.url)))


def test_the_answer_is_one_chunk_byte_for_byte(provider, wire):
    """With the tokens that the provider counted."""
    wire.replies([whole(BODY)])

    (chunk,) = provider.stream(ASKED)

    assert chunk.raw == BODY
    assert (chunk.usage, chunk.finish_reason) == (Usage(3, 0), "stop")
    assert wire.requests[0].startswith(b"POST /v1/embeddings ")


def test_the_first_token_is_not_waited_for(wire):
    """There is none: all of it comes at once, for many texts after a while."""
    config = ProviderConfig("up", "openai", base_url=wire.url, first_token_timeout_s=0.1)
    wire.replies([0.2, whole(BODY)])

    (chunk,) = EmbeddingsOf(OpenAIProvider(config)).stream(ASKED)

    assert chunk.raw == BODY


@pytest.mark.parametrize(
    "usage",
    [b"null", *(b'{"prompt_tokens": %b}' % each for each in (b"-1", b'"3"', b"true", b"9" * 18))],
)
def test_nonsense_is_no_usage(provider, wire, usage):
    """It is estimated then."""
    wire.replies([whole(b'{"data": [1], "usage": %b}' % usage)])

    (chunk,) = provider.stream(ASKED)

    assert chunk.usage is None


@pytest.mark.parametrize(
    "usage", [b'{"total_tokens": 3}', b'{"prompt_tokens": null, "total_tokens": 3}']
)
def test_a_total_alone_is_the_count_of_the_input(provider, wire, usage):
    """Voyage says no other; there is nothing else in it."""
    wire.replies([whole(b'{"data": [1], "usage": %b}' % usage)])

    (chunk,) = provider.stream(ASKED)

    assert chunk.usage == Usage(3, 0)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"data": []}', b'{"data": null}'])
def test_an_answer_without_embeddings_is_malformed(provider, wire, body):
    """The caller must not get it for one."""
    wire.replies([whole(body)])

    with pytest.raises(protocol.ProviderMalformed):
        list(provider.stream(ASKED))


def test_an_answer_that_breaks_off_is_broken(provider, wire):
    """Half a list is none."""
    wire.replies([head("200 OK", "Content-Length: 999"), b'{"data": [', b""])

    with pytest.raises(protocol.ProviderBroken):
        list(provider.stream(ASKED))


def test_a_provider_that_has_none_is_not_asked():
    """It says so at once."""
    provider = EmbeddingsOf(DemoProvider(ProviderConfig("demo", "demo")))

    with pytest.raises(protocol.ProviderRejected) as refused:
        provider.stream(ASKED)

    assert not refused.value.was_sent
    assert provider.list_models()
