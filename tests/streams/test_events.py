"""What a stream consists of."""

import msgspec

from streams.events import HEARTBEAT, problem_draft


def test_an_error_event_is_a_problem_object():
    """`data` is a problem object with `code` and `retryable`."""
    draft = problem_draft("producer_lost", "Producer lost", retryable=True, status=502)

    assert draft.name == "error"
    assert msgspec.json.decode(draft.data) == {
        "type": "urn:larder:problem:producer_lost",
        "title": "Producer lost",
        "status": 502,
        "detail": "Producer lost",
        "code": "producer_lost",
        "retryable": True,
    }


def test_the_data_is_one_line():
    """A line end in it would end the field."""
    assert b"\n" not in problem_draft("x", "a\nb", retryable=False).data


def test_a_heartbeat_shows_what_it_is():
    """It appears in assertions and logs."""
    assert repr(HEARTBEAT) == "HEARTBEAT"
