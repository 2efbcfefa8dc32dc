"""Tokens that nobody counted."""

import pytest

from providers.protocol import ProviderLost, ProviderRejected, Usage
from services.estimates import (
    estimate_answer,
    estimate_prompt,
    estimate_tokens,
    usage_of_failure,
)
from streams.outcome import Outcome


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ü€", 2), ("\ud83d", 1)]
)
def test_an_estimate_is_a_quarter_of_the_bytes_rounded_up(text, tokens):
    """The one estimate there is; half a character must not break it."""
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        ([], 0),
        (None, 0),
        ("text", 1),
        ([{"role": "user", "content": "ä" * 10}], 6),
        (
            [{"content": [{"text": "abcd"}, {"image_url": {"url": "data:image/png;base64,AAAA"}}]}],
            1,
        ),
        ([{"content": "data:is a plain word here as well"}], 0),
        ([{"content": 5}, None, True], 0),
    ],
)
def test_a_prompt_is_estimated_by_its_text(messages, tokens):
    """In bytes, so that no script is cheaper; an image's bytes are no words."""
    assert estimate_prompt({"messages": messages}) == tokens


@pytest.mark.parametrize(
    ("asked", "tokens"), [("abcdefgh", 2), (["abcd", "e"], 2), ([1, 2, 3], 3), ([[1], [2, 3]], 3)]
)
def test_what_is_to_be_embedded_is_estimated_by_its_text_or_its_tokens(asked, tokens):
    """Clients may send tokens themselves."""
    assert estimate_prompt({"input": asked}) == tokens


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        (None, Usage(9, 4)),
        (Usage(20, 1, cached_tokens=8), Usage(20, 4, cached_tokens=8)),
        (Usage(20, 40), Usage(20, 40)),
    ],
)
def test_an_answer_is_estimated_by_all_that_came(counted, usage):
    """Its text, reasoning, calls and other choices; the provider's own count of the prompt wins."""
    outcome = Outcome(
        text="abcd",
        reasoning="efg",
        tool_calls=[{"id": "call_1", "function": {"name": "f", "arguments": "h"}}],
        prompt_usage=counted,
        beside_chars=5,
    )
    assert estimate_answer(outcome, 9) == usage


@pytest.mark.parametrize(
    ("fault", "said", "usage"),
    [
        (ProviderLost("gone"), None, (Usage(9, 0), True)),
        (ProviderLost("gone"), Usage(3, 0), (Usage(3, 0), False)),
        (ProviderRejected("no"), None, (Usage(0, 0), False)),
    ],
)
def test_a_try_without_an_answer_takes_what_its_provider_says_or_may_take(fault, said, usage):
    """One that was refused read nothing; one that broke off may have read it all."""
    assert usage_of_failure(fault, said, 9) == usage
