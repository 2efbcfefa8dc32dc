"""What may be embedded."""

import pytest
from marshmallow import ValidationError

from schemas.openai_embeddings import EmbeddingsSchema


def _load(given, **fields):
    return EmbeddingsSchema().load({"model": "m", "input": given, **fields})


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1], [2, 3]], list(range(3000))])
def test_text_and_tokens_alone_or_many(given):
    """As OpenAI has them."""
    assert _load(given).body == {"input": given}


@pytest.mark.parametrize("given", ["", [], [""], [[]], [-1], [1, "a"], [True], {"a": 1}, None, 5])
def test_anything_else_is_refused(given):
    """Before a provider is asked."""
    with pytest.raises(ValidationError) as caught:
        _load(given)

    assert "input" in caught.value.normalized_messages()


def test_unknown_fields_go_to_the_provider():
    """But for what is Larder's own."""
    asked = _load("a", tomorrow=1, dimensions=3, cache={"ttl": 5})

    assert asked.body == {"input": "a", "tomorrow": 1, "dimensions": 3}
    assert asked.cache is not None
