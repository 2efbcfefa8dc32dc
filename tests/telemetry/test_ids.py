"""New ids."""

from uuid import UUID

from telemetry.ids import new_id
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
