"""Where a key stands with a limit."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from services.standing import Standing


def test_a_standing_is_said_once():
    """Whoever writes headers from it cannot change what the gate said."""
    standing = Standing("tokens", 10, 5, 30.0, datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(FrozenInstanceError):
        standing.remaining = 10  # type: ignore[misc]  # what a careless writer would do
