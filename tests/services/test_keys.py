"""API keys as services see them."""

from sqlalchemy import inspect, text

from database.session import db
from services.runtime import runtime
from services.secrets import SecretBox


def _whole_database(app):
    with app.app_context(), db.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        return str([connection.execute(text(f'SELECT * FROM "{each}"')).all() for each in tables])  # noqa: S608


def test_no_secret_is_kept(app, alice):
    """Whoever steals the database has hashes under a key that is not in it."""
    made = alice.post("/api/keys", json={"name": "Laptop"}, headers={"Idempotency-Key": "once"})

    stored = _whole_database(app)

    assert made.json["secret"] not in stored
    assert alice.key not in stored
    with app.app_context():
        assert runtime().secrets.hash_api_key(alice.key) in stored


def test_a_hash_depends_on_the_installations_secret():
    """A table of hashes is of no use elsewhere."""
    assert SecretBox("one").hash_api_key("lk-x") != SecretBox("two").hash_api_key("lk-x")
