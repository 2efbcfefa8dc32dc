"""The two databases."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from config import Settings
from database.session import db
from tests.doubles.fake_clock import FakeClock


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def either(request: pytest.FixtureRequest, settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application with empty tables on each of the two databases, its context open."""
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_url"))
    app = create_app(settings, clock=clock)
    with app.app_context():
        db.create_all()
        yield app
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()
