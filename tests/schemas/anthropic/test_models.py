"""Pages of models as Anthropic's pager walks them, forward and back."""

import pytest

from schemas.anthropic.models import ModelPageQuery, model, model_page

ROWS = [{"id": each, "created": 0, "owned_by": "x"} for each in "abcde"]


def test_a_model_has_its_time_in_words():
    """Where OpenAI counts seconds."""
    assert model(ROWS[0]) == {
        "type": "model", "id": "a", "display_name": "a", "created_at": "1970-01-01T00:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "ids", "has_more"),
    [
        (ModelPageQuery(), "abcde", False),
        (ModelPageQuery(limit=2), "ab", True),
        (ModelPageQuery(limit=2, after_id="b"), "cd", True),
        (ModelPageQuery(limit=2, after_id="d"), "e", False),
        (ModelPageQuery(limit=2, after_id="e"), "", False),
        (ModelPageQuery(limit=2, before_id="d"), "bc", True),
        (ModelPageQuery(limit=2, before_id="c"), "ab", False),
        (ModelPageQuery(limit=9, after_id="a", before_id="d"), "bc", False),
        (ModelPageQuery(limit=2, after_id="gone"), "ab", True),
    ],
)
def test_a_page_follows_the_last(asked, ids, has_more):
    """Nothing twice, nothing left out."""
    page = model_page(ROWS, asked)

    ends = (ids[0], ids[-1]) if ids else (None, None)
    assert "".join(each["id"] for each in page["data"]) == ids
    assert (page["first_id"], page["last_id"], page["has_more"]) == (*ends, has_more)
