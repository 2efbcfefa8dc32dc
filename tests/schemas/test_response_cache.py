"""What a request may say of the response cache."""

import pytest
from marshmallow import ValidationError

from schemas.response_cache import CacheControls, CacheControlsSchema


def test_an_empty_object_turns_the_cache_on():
    """It was mentioned, so it is wanted."""
    assert CacheControlsSchema().load({}) == CacheControls(is_wanted=True)


def test_all_controls_are_read():
    """The names are LiteLLM's, which people know."""
    said = {"ttl": 60, "namespace": "faq", "no-cache": True, "no-store": True}

    assert CacheControlsSchema().load(said) == CacheControls(
        ttl_s=60, namespace="faq", no_cache=True, no_store=True
    )


@pytest.mark.parametrize(
    "said",
    [
        {"ttl": 0},
        {"ttl": "soon"},
        {"ttl": 10**9},
        {"namespace": ""},
        {"namespace": "a b"},
        {"namespace": "a\n"},
        {"no-cache": 1},
        {"s-maxage": 5},
    ],
)
def test_what_cannot_be_is_named(said):
    """A misspelt control must not be passed over: somebody relies on it."""
    with pytest.raises(ValidationError) as caught:
        CacheControlsSchema().load(said)

    assert set(caught.value.normalized_messages()) == set(said)
