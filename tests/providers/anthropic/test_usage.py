"""Token counts of the Messages API in Larder's form."""

import pytest

from providers.anthropic.usage import UsageCount
from providers.protocol import Usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ([], None),
        ([None, 5, {}, {"input_tokens": "many"}], None),
        ([{"input_tokens": 0, "output_tokens": 0}], Usage(0, 0)),
        ([{"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 5}], Usage(9, 5)),
        ([{"input_tokens": 9}, {"input_tokens": 12, "output_tokens": 5}], Usage(12, 5)),
        ([{"input_tokens": 9, "output_tokens": 1}, {"output_tokens": None}], Usage(9, 1)),
        (
            [{"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3}],
            Usage(24, 0, cached_tokens=20, cache_write_tokens=3),
        ),
        (
            [
                {
                    "input_tokens": 1,
                    "cache_creation_input_tokens": 3,
                    "cache_creation": {"ephemeral_1h_input_tokens": 2},
                },
                {"output_tokens": 8, "output_tokens_details": {"thinking_tokens": 6}},
            ],
            Usage(4, 8, cache_write_tokens=3, cache_write_1h_tokens=2, reasoning_tokens=6),
        ),
        (
            [
                {
                    "cache_creation_input_tokens": 3,
                    "cache_creation": {"ephemeral_1h_input_tokens": 9},
                }
            ],
            Usage(3, 0, cache_write_tokens=3, cache_write_1h_tokens=3),
        ),
    ],
)
def test_the_last_word_on_each_count_is_taken(told, usage):
    """The first event counts the prompt, the last the answer; the input is the total."""
    count = UsageCount()
    for each in told:
        count.add(each)

    assert count.whole() == usage


@pytest.mark.parametrize(
    ("told", "is_half"),
    [
        ({}, True),
        ({"input_tokens": 9}, True),
        ({"output_tokens": 5}, True),
        ({"input_tokens": 0, "output_tokens": 0}, False),
        ({"cache_read_input_tokens": 9, "output_tokens": 5}, False),
    ],
)
def test_prompt_and_answer_have_to_be_counted(told, is_half):
    """A zero is a count."""
    count = UsageCount()
    count.add(told)

    assert count.is_half() is is_half
