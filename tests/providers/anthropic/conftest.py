"""A provider that speaks the Messages API, and its adapter."""

from collections.abc import Iterator

import pytest

from providers.anthropic.adapter import AnthropicProvider
from providers.protocol import ProviderConfig
from tests.doubles.anthropic_server import KEY, AnthropicServer
from tests.doubles.wire_server import WireServer


@pytest.fixture
def claude() -> Iterator[AnthropicServer]:
    """A server that behaves by the model's name."""
    server = AnthropicServer().start()
    yield server
    server.close()


@pytest.fixture
def provider(claude: AnthropicServer) -> Iterator[AnthropicProvider]:
    """Its adapter."""
    made = AnthropicProvider(
        ProviderConfig("claude", "anthropic", base_url=claude.url, api_key=KEY)
    )
    yield made
    made.close()


@pytest.fixture
def wired(wire: WireServer) -> Iterator[AnthropicProvider]:
    """The adapter of a server whose bytes the test writes down."""
    url = wire.url.removesuffix("/v1")
    made = AnthropicProvider(ProviderConfig("up", "anthropic", base_url=url, api_key="sk-ours"))
    yield made
    made.close()
