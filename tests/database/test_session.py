"""Sessions that read and sessions that write, on SQLite and on a real PostgreSQL."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import create_app
from config import SettingsError
from database.session import (
    autocommit_connection,
    database_answers,
    db,
    read_session,
    sqlite_file,
    write_session,
    write_transaction,
)
from database.tables.platform import CacheStatistics
from database.tables.users import ApiKey
from tests.doubles.fake_clock import FakeClock
from tests.doubles.gunicorn_server import GunicornServer

NOW = FakeClock().now()
COUNT = select(func.count()).select_from(CacheStatistics)
END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""End their connections, as the server's own end does, and wait until they are ended."""


def _row(instance: str) -> CacheStatistics:
    return CacheStatistics(instance=instance, figures={}, recorded_at=NOW)


def _write(instance: str) -> None:
    with write_session() as session:
        session.add(_row(instance))
        session.commit()


def test_what_was_committed_is_seen_by_the_next_read(either):
    """Each read begins with a session of its own."""
    _write("a")

    with read_session() as session:
        assert session.scalar(COUNT) == 1


def test_a_fault_does_not_tell_what_was_written(either):
    """Faults are logged; messages, and the hashes of keys, have no place there."""
    _write("a-secret")

    with pytest.raises(IntegrityError) as caught:
        _write("a-secret")

    assert "INSERT INTO" in str(caught.value)
    assert "a-secret" not in str(caught.value).partition("DETAIL")[0]


def test_a_block_without_a_commit_leaves_nothing(either):
    """Safe by default: an error on the way rolls all of it back."""
    with write_session() as session:
        session.add(_row("a"))
        session.flush()

    with read_session() as session:
        assert session.scalar(COUNT) == 0


def test_a_read_sees_one_moment(either):
    """A page and what belongs to it are of the same state, whatever is written between them."""
    with read_session() as session:
        before = session.scalar(COUNT)
        _write("a")

        assert session.scalar(COUNT) == before


@pytest.mark.server
def test_a_session_that_reads_takes_no_locks(settings, clock, postgres_url):
    """On PostgreSQL's snapshots a lock fails under races alone: refused always, it is found."""
    app = create_app(replace(settings, database_url=postgres_url), clock=clock)
    with app.app_context():
        db.create_all()

        with read_session() as session, pytest.raises(DBAPIError, match="read-only"):
            session.scalars(select(CacheStatistics).with_for_update()).all()
    app.extensions["larder_shutdown"](0.0)


def test_a_session_that_reads_leaves_its_connection_fit_to_write(either):
    """They share one pool."""
    with read_session() as session:
        session.scalar(COUNT)
    _write("a")

    with read_session() as session:
        assert session.scalar(COUNT) == 1


def test_a_connection_without_a_transaction_sees_the_present(either):
    """The cache asks it what is fresh."""
    with autocommit_connection() as connection:
        before = connection.scalar(COUNT)
        _write("a")

        assert (before, connection.scalar(COUNT)) == (0, 1)


def test_rows_can_be_read_after_their_session(either):
    """Services dump them when the transaction is over."""
    _write("a")

    with read_session() as session:
        row = session.scalars(select(CacheStatistics)).one()

    assert row.instance == "a"


def test_references_are_checked(either):
    """SQLite does so only when it is told to, on each connection."""
    orphan = ApiKey(
        user_id="nobody", name="x", hint="x", secret_hash="x", scopes=[], created_at=NOW
    )
    with write_session() as session:
        session.add(orphan)

        with pytest.raises(IntegrityError):
            session.commit()


def test_two_writers_that_read_first_both_succeed(either):
    """On SQLite a transaction that turned from reading to writing would fail at once."""
    begun = threading.Barrier(2)

    def write(instance: str) -> None:
        begun.wait(10)
        with either.app_context(), write_session() as session:
            session.scalar(COUNT)
            session.add(_row(instance))
            session.commit()

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)

    with read_session() as session:
        assert session.scalar(COUNT) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_readers_go_on_while_somebody_writes(app):
    """SQLite's journal is a WAL: a long write keeps nobody from reading."""
    with app.app_context(), write_session() as session:
        session.add(_row("a"))
        session.flush()

        with read_session() as reader:
            assert reader.scalar(COUNT) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_replaced_file_is_read_by_connections_that_were_open(app, tmp_path):
    """A backup moved to the database's place: half of the pool on each would be worse than none."""
    with app.app_context():
        _write("a")
        path = sqlite_file(db.engine)
        backup = sqlite3.connect(tmp_path / "backup")
        with closing(sqlite3.connect(path)) as source:
            source.backup(backup)
        backup.execute("DELETE FROM cache_statistics")
        backup.commit()
        backup.execute("PRAGMA journal_mode=DELETE").fetchall()
        backup.close()

        Path(f"{path}-wal").unlink()  # as SQLite demands of whoever replaces a file
        Path(f"{path}-shm").unlink()
        (tmp_path / "backup").replace(path)

        with read_session() as session:
            assert session.scalar(COUNT) == 0


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_restart_of_the_server_fails_nobody_who_comes_after_it(app, postgres_server):
    """Connections that were open before it are not found dead by whoever is given one."""
    with app.app_context():
        with write_transaction(), read_session() as session:
            session.scalar(COUNT)
        with psycopg.connect(postgres_server.dsn(db.engine.url.database)) as other:
            ended = other.execute(END_OTHERS).fetchall()

        _write("a")
        with read_session() as session:
            assert session.scalar(COUNT) == 1

    assert ended == [(True,)] * len(ended)
    assert len(ended) >= 2


def test_a_database_that_answers_is_ready(either):
    """The probe of a load balancer."""
    assert database_answers()


def test_a_database_that_is_away_is_not_ready(settings, clock):
    """The probe says no instead of failing."""
    away = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    app = create_app(away, clock=clock)

    with app.app_context():
        assert not database_answers()


def test_constraints_have_fixed_names(app):
    """Migrations can name on every database what they change."""
    named = [each.name for table in db.metadata.tables.values() for each in table.constraints]

    assert all(named)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1), ("busy_timeout", 10_000)],
)
def test_each_sqlite_connection_is_set_up(settings, clock, tmp_path, pragma, value):
    """The settings belong to the connection, so every one of the pool needs them."""
    url = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    app = create_app(replace(settings, database_url=url), clock=clock)
    with app.app_context(), db.engine.connect() as one, db.engine.connect() as other:
        found = [each.scalar(text(f"PRAGMA {pragma}")) for each in (one, other)]
        db.engine.dispose()

    assert found == [value, value]


def test_shutting_down_leaves_no_connection_open(settings, clock):
    """A server that counts its connections gets them all back."""
    app = create_app(settings, clock=clock)
    opened: list[object] = []
    closed: list[object] = []
    with app.app_context():
        event.listen(db.engine, "connect", lambda connection, _: opened.append(connection))
        event.listen(db.engine, "close", lambda connection, _: closed.append(connection))
        assert database_answers()
        with write_transaction():
            pass
        app.extensions["larder_shutdown"](0.0)

    assert len(opened) >= 1
    assert {*map(id, closed)} == {*map(id, opened)}


@pytest.mark.slow
def test_a_command_leaves_all_that_it_wrote_in_the_file(tmp_path):
    """Whoever copies the file after an upgrade has the tables."""
    server = GunicornServer(tmp_path)

    server.flask("db", "upgrade")

    left = sorted(each.name for each in server.instance_path.iterdir())
    assert left == ["larder.sqlite3", "secret_key"]


@pytest.mark.parametrize(
    "url",
    [
        "nope",
        "mysql://ann:hunter2@db/larder",
        "://x",
        "postgresql://ann:hunter2@db:port/x",
        "postgresql+psycopg2://ann:hunter2@db/x",
    ],
)
def test_a_database_that_nobody_knows_is_said_at_the_start(settings, clock, url):
    """A sentence, and no word of the password."""
    with pytest.raises(SettingsError, match="DATABASE_URL must begin with") as refused:
        create_app(replace(settings, database_url=url), clock=clock)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(settings, clock, url):
    """Each connection would have one of its own."""
    with pytest.raises(SettingsError, match="DATABASE_URL must name a file"):
        create_app(replace(settings, database_url=url), clock=clock)
