"""Words in JSON lists, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from config import Settings
from database.json_lists import has_word
from database.session import db, read_session, write_session
from database.tables.models import CatalogueModel, CatalogueProvider
from tests.doubles.fake_clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LISTS = {
    "acme/chat": ["chat", "tools"],
    "acme/chatty": ["chatty"],
    "acme/loud": ["CHAT"],
    "acme/none": [],
    "acme/odd": ["größe", 'so "called"', "50%", "a\\b"],
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def app(request: pytest.FixtureRequest, settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application with `LISTS` on each of the two databases."""
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_url"))
    app = create_app(settings, clock=clock)
    times = {"created_at": NOW, "updated_at": NOW}
    with app.app_context(), write_session() as session:
        db.create_all()
        row = {"name": "Acme", "wire_format": "demo", "base_url": "", "origin": "api", **times}
        session.add(CatalogueProvider(id="acme", **row))
        session.flush()
        for model_id, words in LISTS.items():
            row = {"name": "x", "display_name": "x", "origin": "api", **times}
            session.add(CatalogueModel(id=model_id, provider_id="acme", capabilities=words, **row))
        session.commit()
    yield app
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()


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
def test_a_word_is_found_whole_and_letter_for_letter(app, word, found):
    """A filter that gave more on one database than on the other would be a trap."""
    with app.app_context(), read_session() as session:
        wanted = select(CatalogueModel.id).where(has_word(CatalogueModel.capabilities, word))

        assert sorted(session.scalars(wanted)) == found
