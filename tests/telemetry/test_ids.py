"""New ids."""

from uuid import UUID

import pytest

from telemetry.ids import new_id, request_id
from tests.doubles.together import together


def test_an_id_is_a_version_seven_uuid_in_plain_letters():
    """Columns have 36 places, and the version is what makes ids sort by time."""
    made = new_id()

    assert str(UUID(made)) == made
    assert UUID(made).version == 7


def test_ids_sort_in_the_order_they_were_made():
    """Messages said within one millisecond are listed as they were said."""
    made = [new_id() for _ in range(5000)]

    assert made == sorted(made)


def test_no_two_threads_get_one_id():
    """An id is a primary key wherever it was made."""
    made = together([lambda: [new_id() for _ in range(2000)]] * 4)

    assert len({each for ids in made for each in ids}) == 8000


@pytest.mark.parametrize("given", ["abc-123", "x" * 128, "a:b.c_d"])
def test_a_callers_own_request_id_is_taken(given):
    """So that one id goes through all of a caller's logs."""
    assert request_id(given) == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "line\nbreak", "ü"])
def test_what_is_no_sane_id_is_replaced(given):
    """It is written into logs and sent back in a header."""
    assert UUID(request_id(given)).version == 7
