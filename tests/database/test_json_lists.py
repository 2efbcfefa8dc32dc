"""Words in JSON lists, on SQLite and on a real PostgreSQL."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from database.json_lists import has_word
from database.session import read_session, write_session
from database.tables.models import CatalogueModel, CatalogueProvider

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LISTS = {
    "acme/chat": ["chat", "tools"],
    "acme/chatty": ["chatty"],
    "acme/loud": ["CHAT"],
    "acme/none": [],
    "acme/odd": ["größe", 'so "called"', "50%", "a\\b"],
}


@pytest.fixture
def listed(either: Flask) -> Flask:
    """An application with `LISTS`."""
    times = {"created_at": NOW, "updated_at": NOW, "origin": "api"}
    with write_session() as session:
        session.add(
            CatalogueProvider(id="acme", name="Acme", wire_format="demo", base_url="", **times)
        )
        session.flush()
        for model_id, words in LISTS.items():
            row = {"provider_id": "acme", "name": "x", "display_name": "x", **times}
            session.add(CatalogueModel(id=model_id, capabilities=words, **row))
        session.commit()
    return either


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("chat", ["acme/chat"]),
        ("tools", ["acme/chat"]),
        ("chatty", ["acme/chatty"]),
        ("CHAT", ["acme/loud"]),
        ("größe", ["acme/odd"]),
        ('so "called"', ["acme/odd"]),
        ("50%", ["acme/odd"]),
        ("a\\b", ["acme/odd"]),
        ('called"', []),
        ("%", []),
        ("cha_", []),
        ("at", []),
        ("chat, tools", []),
    ],
)
def test_a_word_is_found_whole_and_letter_for_letter(listed, word, found):
    """A filter that gave more on one database than on the other would be a trap."""
    with read_session() as session:
        wanted = select(CatalogueModel.id).where(has_word(CatalogueModel.capabilities, word))

        assert sorted(session.scalars(wanted)) == found
