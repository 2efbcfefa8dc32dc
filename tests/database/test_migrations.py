"""The migrations make what the tables say, and take it back, on both databases."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import flask_migrate
import flask_migrate.cli
import pytest
from flask import Flask
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from app import create_app
from config import ROOT, Settings
from database.session import Base, db

AUDIT_ROW = text(
    "INSERT INTO audit_logs(id, action, subject_kind, subject_id, detail, logged_at)"
    " VALUES ('a', 'made', 'user', 'u', '{}', '2026-01-01 00:00:00+00')"
)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)],
)
def migrated(request: pytest.FixtureRequest, settings: Settings, tmp_path) -> Iterator[Flask]:
    """An application whose tables were made by the migrations."""
    url = f"sqlite:///{tmp_path / 'migrated.sqlite3'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    fields = {**vars(settings), "database_url": url}
    app = create_app(Settings(**fields))
    with app.app_context():
        flask_migrate.upgrade()
        yield app
        db.session.remove()
        db.engine.dispose()


def _tables() -> set[str]:
    return set(inspect(db.engine).get_table_names())


def test_every_table_is_made(migrated):
    """A server that was upgraded has all that the code expects."""
    assert set(Base.metadata.tables) <= _tables()


def test_nothing_is_left_to_migrate(migrated):
    """A change of a table without its migration fails here, not in production."""
    flask_migrate.check()


TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """\
SELECT tgrelid::regclass || ' ' || tgname, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
UNION SELECT proname, pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
}


def _triggers() -> dict[str, str]:
    with db.engine.connect() as connection:
        found = connection.exec_driver_sql(TRIGGERS[connection.dialect.name])
        return {name: " ".join(str(words).split()) for name, words in found}


def test_the_triggers_are_those_that_come_with_the_tables(migrated):
    """A table that is made or remade by a migration needs its triggers made with it."""
    found = _triggers()
    flask_migrate.downgrade(revision="base")
    db.create_all()

    assert len(found) > 60
    assert found == _triggers()


def test_an_upgrade_can_be_taken_back_and_made_again(migrated):
    """An operator can go back a release and forward again."""
    flask_migrate.downgrade(revision="base")
    left = _tables() - {"alembic_version"}
    flask_migrate.upgrade()

    assert left == set()
    assert set(Base.metadata.tables) <= _tables()


@pytest.mark.server
def test_machines_that_start_together_upgrade_one_after_the_other(tmp_path, postgres_url):
    """Each runs `make run`: the first makes the tables, and the others find them."""
    environ = {
        "PATH": os.environ["PATH"],  # noqa: TID251 (the tests' own)
        "DATABASE_URL": postgres_url,
        "CACHE_BACKEND": "memory",
        "LARDER_INSTANCE_PATH": str(tmp_path),
    }
    words = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]

    starts = [subprocess.Popen(words, cwd=ROOT, env=environ) for _ in range(3)]

    assert [each.wait(120) for each in starts] == [0, 0, 0]


def test_a_database_that_is_away_is_told_in_a_sentence(settings):
    """`make run` begins with an upgrade: its word is the first that an operator reads."""
    url = "postgresql+psycopg://ann:hunter2@127.0.0.1:1/larder"
    app = create_app(replace(settings, database_url=url))

    told = app.test_cli_runner().invoke(flask_migrate.cli.db, ["upgrade"])

    assert told.exit_code == 1
    assert "Error: The database does not answer: see that DATABASE_URL is right." in told.stderr
    assert "refused" in told.stderr
    assert "hunter2" not in told.output


def test_an_append_only_table_refuses_changes(migrated):
    """The guards come with the migration, not only with the tests' own tables."""
    with db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(AUDIT_ROW)

    with pytest.raises(DatabaseError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM audit_logs"))
