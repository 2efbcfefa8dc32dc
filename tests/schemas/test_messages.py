"""The shapes of messages."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from marshmallow import ValidationError

from database.tables.conversations import Message
from schemas.messages import MessagePatchSchema, MessageQuery, MessageQuerySchema, MessageSchema

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_answer_shows_what_it_took():
    """Money is text, and unpriced is not free."""
    row = Message(
        input_tokens=3,
        output_tokens=2,
        cached_tokens=1,
        cost_usd=Decimal("0.00001230"),
        is_estimated=False,
        created_at=NOW,
        updated_at=NOW,
    )

    usage = MessageSchema().dump(row)["usage"]
    row.cost_usd = None

    assert usage["cost_usd"] == "0.0000123"
    assert usage["cached_tokens"] == 1
    assert MessageSchema().dump(row)["usage"]["cost_usd"] is None


def test_a_question_took_nothing():
    """No usage is another thing than a usage of zero."""
    assert MessageSchema().dump(Message(created_at=NOW, updated_at=NOW))["usage"] is None


def test_a_query_names_a_page_or_a_leaf():
    """A query string has only text."""
    assert MessageQuerySchema().load({"leaf_id": "x"}) == MessageQuery(leaf_id="x")
    assert MessageQuerySchema().load({"limit": "3"}) == MessageQuery(limit=3)


@pytest.mark.parametrize("paged", [{"limit": "1"}, {"cursor": "x"}, {"limit": "50", "cursor": ""}])
def test_a_branch_has_no_pages(paged):
    """Whoever asks for one message must not take the whole branch for it."""
    with pytest.raises(ValidationError) as refused:
        MessageQuerySchema().load({"leaf_id": "x", **paged})

    assert set(refused.value.normalized_messages()) == set(paged)


def test_an_edit_must_say_something():
    """An empty message cannot be answered."""
    with pytest.raises(ValidationError):
        MessagePatchSchema().load({"content": ""})
