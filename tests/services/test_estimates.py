"""Tokens that nobody counted."""

import pytest

from services.estimates import estimate_prompt


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
