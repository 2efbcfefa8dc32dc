"""A provider's own model list, in the dialects in which it is told."""

import msgspec
import pytest

from providers import protocol
from providers.openai import MAX_MODELS, OpenAIProvider
from providers.protocol import ModelListing, ProviderConfig
from tests.doubles.openai_server import KEY, MODELS
from tests.doubles.wire_server import whole


@pytest.fixture
def listed(wire):
    """What the adapter makes of a list."""

    def listing(body):
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        wire.replies([whole(raw)])
        return OpenAIProvider(ProviderConfig("up", "openai", base_url=wire.url)).list_models()

    return listing


def test_the_list_is_asked_for_with_the_key(upstream):
    """The double refuses a wrong one."""
    config = ProviderConfig("up", "openai", base_url=upstream.url, api_key=KEY)

    assert [each.name for each in OpenAIProvider(config).list_models()] == list(MODELS)


def test_a_wrong_key_is_larders_own_fault(upstream):
    """It must not look like the caller's."""
    config = ProviderConfig("up", "openai", base_url=upstream.url, api_key="sk-wrong")

    with pytest.raises(protocol.ProviderAuthFailed):
        OpenAIProvider(config).list_models()


def test_without_a_key_none_is_sent(wire, listed):
    """Local servers need none, and some refuse an empty one."""
    listed({"data": []})

    assert b"authorization" not in wire.requests[0].lower()


@pytest.mark.parametrize(
    ("row", "listing"),
    [
        ({"id": "a/b:free"}, ModelListing("a/b:free")),
        (
            {"id": "a", "name": "A", "context_length": 8, "capabilities": ["chat", "", 5]},
            ModelListing("a", "A", 8, None, ("chat", "5")),
        ),
        (
            {"id": "a", "display_name": "B", "name": "A", "max_model_len": 9},
            ModelListing("a", "B", 9),
        ),
        (
            {"id": "a", "context_window": 0, "max_context_length": 7, "max_output_tokens": 5},
            ModelListing("a", None, 7, 5),
        ),
        (
            {"id": "a", "name": 5, "context_window": "8k", "capabilities": {"chat": True}},
            ModelListing("a"),
        ),
        ({"id": "a", "context_window": -1, "max_output_tokens": 10**20}, ModelListing("a")),
    ],
)
def test_a_row_says_what_it_says_and_nonsense_is_left_out(listed, row, listing):
    """Each provider has its own names for the window."""
    assert listed({"data": [row]}) == [listing]


def test_rows_that_are_no_models_are_passed_over(listed):
    """One broken row must not cost the others."""
    rows = [None, "a", {}, {"id": 5}, {"id": ""}, {"id": "good"}]

    assert listed({"data": rows}) == [ModelListing("good")]


def test_a_bare_list_is_one_too(listed):
    """Some leave out the envelope."""
    assert listed([{"id": "a"}]) == [ModelListing("a")]


def test_a_list_has_an_end(listed):
    """Nobody's catalogue is filled without bound."""
    assert len(listed([{"id": f"m{number}"} for number in range(MAX_MODELS + 5)])) == MAX_MODELS


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b"[" * 100_000, b"5", b'{"data": 5}'])
def test_what_is_no_list_is_malformed(listed, body):
    """One error of the family, whatever comes."""
    with pytest.raises(protocol.ProviderMalformed):
        listed(body)
