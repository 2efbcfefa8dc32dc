"""Servers that adapters are let loose on."""

from collections.abc import Iterator

import pytest

from tests.doubles.wire_server import WireServer


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server whose every byte the test writes down."""
    server = WireServer()
    yield server
    server.close()
