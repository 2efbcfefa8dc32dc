"""What tests of the dialects share."""

import pytest

from services.dialects.anthropic import AnthropicDialect
from services.dialects.protocol import Head


@pytest.fixture
def anthropic():
    """One answer of the model `acme/m`, for Anthropic's clients."""
    return AnthropicDialect(Head("c1", 5, lambda: "acme/m"))
