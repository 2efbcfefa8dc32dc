"""`flask prepare` at a terminal."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from database.session import db
from tests.doubles.api_client import ApiClient

SECRET = re.compile(r"lk-[A-Za-z0-9_-]{40,}")


@pytest.fixture
def fresh(settings, clock, tmp_path) -> Iterator[Flask]:
    """An application on its first day: no tables, no key."""
    url = f"sqlite:///{tmp_path / 'first_day.sqlite3'}"
    app = create_app(replace(settings, admin_key="", database_url=url), clock=clock)
    yield app
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()


def _prepare(app):
    return app.test_cli_runner().invoke(args=["prepare"])


def test_the_first_key_is_made_and_opens_the_door(fresh):
    """Nobody could come in without it."""
    with fresh.app_context():
        db.create_all()

    result = _prepare(fresh)

    (secret,) = SECRET.findall(result.stdout)
    assert result.exit_code == 0
    assert ApiClient(fresh, secret).get("/api/me").json["role"] == "owner"


def test_the_first_key_is_shown_once(fresh):
    """Each start runs the command: the log must not fill with keys."""
    with fresh.app_context():
        db.create_all()
    _prepare(fresh)

    again = _prepare(fresh)

    assert again.exit_code == 0
    assert SECRET.findall(again.stdout) == []


def test_a_key_that_was_given_is_not_repeated(app, settings):
    """The operator has it already, the log need not."""
    result = _prepare(app)

    assert result.exit_code == 0
    assert settings.admin_key not in result.output


@pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
def test_it_says_what_it_stands_on(app):
    """A start in memory by mistake is seen in the first line."""
    assert "Cache: memory, as CACHE_BACKEND says." in _prepare(app).stdout


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_without_tables_is_told_with_its_mend(fresh):
    """One sentence and an exit code that stops the start."""
    result = _prepare(fresh)

    assert result.exit_code == 1
    assert "flask db upgrade" in result.stderr
    assert "Traceback" not in result.output
