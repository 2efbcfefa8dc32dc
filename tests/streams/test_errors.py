"""The stream's own failures, as clients and the ledger see them."""

import pytest

from providers.protocol import ProviderError
from streams.errors import (
    AnswerTooLarge,
    InternalFailure,
    ProducerLost,
    ServerShutdown,
    StreamGone,
)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InternalFailure(), "internal_error", True),
        (AnswerTooLarge(), "answer_too_large", False),
        (ServerShutdown(), "server_shutdown", True),
        (ProducerLost(), "producer_lost", True),
    ],
)
def test_each_failure_has_its_word(error, code, retryable):
    """Clients decide by these whether to ask again."""
    assert isinstance(error, ProviderError)
    assert (error.code, error.retryable) == (code, retryable)


def test_what_is_gone_says_why():
    """The edge answers 204 for an ended stream, and something else for one out of reach."""
    gone = StreamGone("s", "unreachable")

    assert (gone.stream_id, gone.reason) == ("s", "unreachable")
