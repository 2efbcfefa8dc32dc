"""Numbers that providers state."""

import pytest

from providers.numbers import MAX_TOKENS, token_count


@pytest.mark.parametrize(
    ("stated", "count"),
    [
        (0, 0), (7, 7), (MAX_TOKENS, MAX_TOKENS), (MAX_TOKENS + 1, None), (-1, None), (2.0, None),
        (True, None), ("7", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_a_count_is_taken_only_where_it_can_be_one(stated, count):
    """Money is booked by it."""
    assert token_count(stated) == count
