"""The shapes of searching."""

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from schemas.search import SearchQuery, SearchQuerySchema


def test_a_search_is_loaded_as_one_value():
    """Days stand for their beginning in UTC."""
    loaded = SearchQuerySchema().load(
        {"q": "sea", "from": "2026-01-31", "to": "2026-01-31T14:00:00+02:00", "limit": "5"}
    )

    assert loaded == SearchQuery(
        q="sea",
        limit=5,
        from_at=datetime(2026, 1, 31, tzinfo=UTC),
        to_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize("text", ["2026-02-30", "31.01.2026", "today", "2026-01-31T25:00:00Z"])
def test_a_moment_that_is_none_is_refused(text):
    """Guessing would find the wrong things."""
    with pytest.raises(ValidationError) as fault:
        SearchQuerySchema().load({"q": "sea", "from": text})

    assert list(fault.value.messages) == ["from"]
