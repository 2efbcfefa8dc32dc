"""The two databases."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from config import Settings
from database.session import db
from tests.doubles.fake_clock import FakeClock


@pytest.fixture
def either(either_url: str, settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application with empty tables on each of the two databases, its context open."""
    app = create_app(replace(settings, database_url=either_url), clock=clock)
    with app.app_context():
        db.create_all()
        yield app
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()
