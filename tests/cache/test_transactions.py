"""No cached read within a write transaction."""

from typing import Any

import pytest

from cache.namespaces import MODELS
from cache.transactions import ReadWithinWrite
from services.unit_of_work import unit_of_work


@MODELS.read("detail")
def load_things() -> Any:
    """A cached read."""
    return ["a thing"]


def test_a_cached_read_within_a_transaction_is_refused(app):
    """It could wait for Redis while it holds the lock that all other writers wait for."""
    with app.app_context(), unit_of_work(), pytest.raises(ReadWithinWrite, match=r"models\.detail"):
        load_things()


def test_before_and_after_it_is_welcome(app):
    """Also where the transaction failed."""
    with app.app_context():
        load_things()
        with pytest.raises(ZeroDivisionError), unit_of_work():
            raise ZeroDivisionError

        assert load_things().value == ["a thing"]
