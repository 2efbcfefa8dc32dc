"""Cursors and pages."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Invalid
from services.paging import decode_cursor, encode_cursor, page_of

AT = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)


def test_a_cursor_comes_back_exactly():
    """A microsecond lost would skip or repeat a row."""
    cursor = encode_cursor("list", [AT, 7, "x"])

    assert decode_cursor("list", cursor, [datetime, int, str]) == (AT, 7, "x")


@pytest.mark.parametrize(
    ("position", "kinds"),
    [
        (["a\x00b"], [str]),
        ([2**63], [int]),
        ([-(2**70)], [int]),
        ([datetime(2026, 1, 1)], [datetime]),  # noqa: DTZ001 (that it has no zone is the point)
        ([datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))], [datetime]),
        ([datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))], [datetime]),
        ([1], [str]),
        ([], [str]),
        (["x", "y"], [str]),
    ],
)
def test_what_no_database_could_compare_is_no_cursor(position, kinds):
    """A made-up cursor is the caller's error, never the server's."""
    with pytest.raises(Invalid):
        decode_cursor("list", encode_cursor("list", position), kinds)


def test_a_cursor_of_another_list_is_refused():
    """It would begin somewhere, and nobody could say where."""
    with pytest.raises(Invalid) as fault:
        decode_cursor("list", encode_cursor("other", ["x"]), [str])

    assert list(fault.value.errors) == ["cursor"]


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text):
    """Whatever a client sends."""
    with pytest.raises(Invalid):
        decode_cursor("list", text, [str])


def test_the_row_too_many_tells_of_a_next_page():
    """It is not shown itself."""
    page = page_of([1, 2, 3], 2, lambda row: {"n": row}, str)

    assert page == {"items": [{"n": 1}, {"n": 2}], "next_cursor": "2"}
    assert page_of([1, 2], 2, lambda row: {"n": row}, str)["next_cursor"] is None
