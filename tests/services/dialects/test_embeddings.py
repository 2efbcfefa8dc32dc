"""Embeddings go out as they came."""

from providers.protocol import Chunk, ProviderBroken, Usage
from services.calls import Bill
from services.dialects.embeddings import EmbeddingsDialect, embeddings_unpaid
from services.dialects.protocol import Head
from streams.outcome import Outcome

BILL = Bill(Usage(1, 0), None, is_estimated=False)


def _dialect():
    return EmbeddingsDialect(Head("c1", 5, lambda: "acme/m"))


def test_the_body_is_the_providers_own():
    """Byte for byte."""
    assert _dialect().whole(Outcome(raw=b'{ "data": [] }'), BILL, ()) == b'{ "data": [] }'


def test_nothing_is_streamed_but_its_end():
    """Those who share the call wait for that."""
    dialect = _dialect()

    assert dialect.chunk(Chunk(raw=b"{}")) == []
    assert [each.name for each in dialect.closing(Outcome(), BILL)] == ["done"]
    assert dialect.failure(ProviderBroken("x")).name == "error"
    assert embeddings_unpaid("done", b"{}") == b"{}"
