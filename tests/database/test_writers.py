"""SQLite's connections that are kept for writing: the last one used is used again."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copyfile

import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from database.session import db, sqlite_file, write_transaction
from database.writers import KEPT, Writers, remember_file


@pytest.fixture
def path(tmp_path):
    """Where the database is."""
    return tmp_path / "kept.sqlite3"


@pytest.fixture
def writers(path) -> Iterator[Writers]:
    """The kept connections of an engine that no application has."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda made, record: remember_file(made, record.info))
    yield Writers(engine)
    engine.dispose()


def _of_the_driver(connection: Connection) -> object:
    return connection.connection.dbapi_connection


def test_the_last_one_used_is_used_again(writers):
    """Its statements are compiled, its pages at hand."""
    one, other = writers.take(), writers.take()
    writers.give_back(other)
    writers.give_back(one)

    assert writers.take() is one
    assert writers.take() is other
    assert one.get_execution_options()["writes"]


def test_no_two_have_the_same(writers):
    """A transaction is its opener's alone."""
    with ExitStack() as taken:
        connections = [taken.enter_context(writers.take()) for _ in range(KEPT + 2)]

        assert len({id(_of_the_driver(each)) for each in connections}) == KEPT + 2


def test_no_more_are_kept_than_a_few(writers):
    """A crowd that is gone leaves them to the pool, which has its own limits."""
    crowd = [writers.take() for _ in range(KEPT + 2)]
    for each in crowd:
        writers.give_back(each)

    assert [each.closed for each in crowd] == [False] * KEPT + [True] * 2


def test_one_that_broke_is_not_kept(writers):
    """The next has one that works."""
    broken = writers.take()
    broken.invalidate()

    writers.give_back(broken)

    assert broken.closed
    assert writers.take().scalar(text("SELECT 1")) == 1


def test_one_in_a_transaction_is_not_kept(writers):
    """Nobody goes on with what another has begun."""
    busy = writers.take()
    busy.execute(text("CREATE TABLE left_open (x)"))

    writers.give_back(busy)

    assert busy.closed
    assert not writers.take().in_transaction()


def test_one_whose_commit_failed_holds_up_nobody(writers, path):
    """SQLite keeps its transaction, and the lock, where SQLAlchemy takes it for ended."""
    with writers.take() as first:
        first.execute(text("CREATE TABLE rows (x)"))
        first.commit()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM rows").fetchall()  # without WAL a commit waits for readers

    failing = writers.take()
    failing.exec_driver_sql("PRAGMA busy_timeout=0")
    failing.exec_driver_sql("BEGIN IMMEDIATE")
    failing.exec_driver_sql("INSERT INTO rows VALUES (1)")
    with pytest.raises(OperationalError, match="locked"):
        failing.commit()
    writers.give_back(failing)
    reader.execute("COMMIT")

    with writers.take() as next_one:
        next_one.exec_driver_sql("BEGIN IMMEDIATE")
        assert next_one.scalar(text("SELECT count(*) FROM rows")) == 0
    reader.close()


def test_a_replaced_file_is_left(writers, path, tmp_path):
    """What is written next is written into the file that stands there now."""
    old = writers.take()
    writers.give_back(old)
    copyfile(path, tmp_path / "restored")
    (tmp_path / "restored").replace(path)

    new = writers.take()

    assert old.closed
    assert new is not old
    assert Path(path).samefile(sqlite_file(new.engine))


def test_a_file_that_is_gone_is_not_made_anew(writers, path):
    """An empty database in its place would look as if all were lost."""
    old = writers.take()
    writers.give_back(old)
    path.unlink()

    assert writers.take() is old
    assert not path.exists()


def test_disposing_of_the_engine_closes_them(writers):
    """The last connection to a file brings into it what stands beside it."""
    closed: list[object] = []
    kept = writers.take()
    held = _of_the_driver(kept)
    event.listen(kept.engine, "close", lambda connection, _: closed.append(connection))
    writers.give_back(kept)

    kept.engine.dispose()

    assert kept.closed
    assert held in closed
    assert writers.take() is not kept


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_writes_one_after_the_other_have_one_connection(app):
    """Taking one from the pool for each takes as long as the write."""
    with app.app_context():
        with write_transaction() as (first, _):
            pass
        with pytest.raises(LookupError), write_transaction():
            raise LookupError
        with write_transaction() as (last, _):
            assert db.engine.pool is last.engine.pool

    assert first is last
