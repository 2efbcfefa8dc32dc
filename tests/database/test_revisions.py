"""The revision of a database beside that of the code."""

import flask_migrate
import pytest
from sqlalchemy.exc import DBAPIError

from app import create_app
from config import ROOT, Settings
from database.revisions import revisions
from database.session import db

MIGRATIONS = ROOT / "migrations"


@pytest.fixture
def empty(settings, tmp_path):
    """An application whose database has no tables yet."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    app = create_app(Settings(**{**vars(settings), "database_url": url}))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.usefixtures("empty")
def test_an_upgraded_database_is_at_the_newest_revision():
    """What a start goes by."""
    flask_migrate.upgrade()

    found, known = revisions(MIGRATIONS)

    assert found == known
    assert len(known) == 1


@pytest.mark.usefixtures("empty")
def test_an_older_database_is_at_another():
    """One that was not upgraded along with the code."""
    flask_migrate.upgrade()
    flask_migrate.downgrade(revision="0001")

    found, known = revisions(MIGRATIONS)

    assert found == {"0001"}
    assert found != known


@pytest.mark.usefixtures("empty")
def test_tables_that_no_migration_made_have_no_revision():
    """As the tests make them."""
    db.create_all()

    assert revisions(MIGRATIONS)[0] == set()


@pytest.mark.usefixtures("empty")
def test_a_database_that_is_away_is_an_error(tmp_path):
    """Nothing is known of it then."""
    (tmp_path / "empty.sqlite3").mkdir()

    with pytest.raises(DBAPIError):
        revisions(MIGRATIONS)
