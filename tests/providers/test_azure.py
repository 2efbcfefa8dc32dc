"""OpenAI's format as Azure serves it."""

import pytest

from providers import protocol
from providers.azure import AzureProvider
from providers.protocol import ChatRequest, ProviderConfig
from tests.doubles.wire_server import whole

ANSWER = [whole(b'{"choices": [{"message": {"content": "hi"}}]}')]
ASKED = ChatRequest("my gpt", {"messages": []}, stream=False)


def _provider(wire, **fields):
    url = wire.url.removesuffix("/v1")
    return AzureProvider(ProviderConfig("az", "azure", base_url=url, api_key="sk-ours", **fields))


@pytest.mark.parametrize(
    ("fields", "version"),
    [({}, b"2024-10-21"), ({"api_version": "2025-04-01-preview"}, b"2025-04-01-preview")],
)
def test_a_deployment_is_asked_at_its_path_with_the_version_and_azures_header(
    wire, fields, version
):
    """The key goes in a header of another name, and in no other."""
    wire.replies(ANSWER)

    (chunk,) = _provider(wire, **fields).stream(ASKED)

    top = wire.requests[0].partition(b"\r\n\r\n")[0]
    path = b"/openai/deployments/my%20gpt/chat/completions?api-version=" + version
    assert top.startswith(b"POST " + path + b" HTTP/1.1\r\n")
    assert b"api-key: sk-ours" in top
    assert b"authorization" not in top.lower()
    assert chunk.text == "hi"


def test_vectors_are_asked_for_at_the_deployments_path_too(wire):
    """Azure has nothing at the path that others have them at."""
    body = b'{"data": [{"embedding": [1.0]}]}'
    wire.replies([whole(body)])

    (chunk,) = _provider(wire).embed(ChatRequest("small", {"input": "a"}, stream=False))

    path = b"/openai/deployments/small/embeddings?api-version=2024-10-21"
    assert wire.requests[0].startswith(b"POST " + path + b" HTTP/1.1\r\n")
    assert chunk.raw == body


def test_nothing_is_listed_but_a_check_is_one(wire):
    """The resource lists what it could deploy; deployments are added by their names."""
    wire.replies([whole(b'{"data": [{"id": "gpt-4o"}]}')], [whole(b"{}", "401 No")])
    provider = _provider(wire)

    assert provider.list_models() == []
    assert wire.requests[0].startswith(b"GET /openai/models?api-version=")
    with pytest.raises(protocol.ProviderAuthFailed):
        provider.list_models()
