"""The shapes of conversations."""

import pytest
from marshmallow import ValidationError

from schemas.conversations import (
    ConversationPatchSchema,
    ConversationQuery,
    ConversationQuerySchema,
    ConversationWriteSchema,
    NewConversation,
)


def test_a_new_conversation_needs_nothing():
    """All has a default."""
    assert ConversationWriteSchema().load({}) == NewConversation()


def test_a_change_names_columns():
    """What is left out stays; a null is a change."""
    loaded = ConversationPatchSchema().load({"model": None, "pinned": True, "title": "Sea"})

    assert loaded.changes == {"model_id": None, "is_pinned": True, "title": "Sea"}


def test_filters_are_read_from_a_query_string():
    """There everything is text."""
    loaded = ConversationQuerySchema().load({"pinned": "true", "archived": "0", "limit": "7"})

    assert loaded == ConversationQuery(limit=7, pinned=True, archived=False)


@pytest.mark.parametrize("field", ["id", "user_id", "created_at", "active_at"])
def test_what_is_ours_to_say_cannot_be_set(field):
    """An owner or a time that a client makes up would be believed by others."""
    with pytest.raises(ValidationError):
        ConversationPatchSchema().load({field: "x"})
