"""SQLite's connection for writing: kept for the next, and one has it at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shutil import copyfile

import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from database import session
from database.session import WRITER, db, sqlite_file, write_transaction
from database.write_lock import begin_writing
from database.writer import Writer, remember_file
from tests.doubles.fake_clock import FakeClock

PATIENCE_S = 10.0


@pytest.fixture
def path(tmp_path):
    """Where the database is."""
    return tmp_path / "kept.sqlite3"


@pytest.fixture
def writer(path) -> Iterator[Writer]:
    """The connection of an engine that no application has."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda made, record: remember_file(made, record.info))
    yield Writer(engine)
    engine.dispose()


def _used(writer: Writer) -> Connection:
    """What a writer was given, who has written nothing."""
    with writer.connection(patience_s=PATIENCE_S) as connection:
        return connection


def _of_the_driver(connection: Connection) -> object:
    return connection.connection.dbapi_connection


def test_the_next_has_the_same(writer):
    """Its statements are compiled, its pages at hand."""
    one = _used(writer)

    assert _used(writer) is one
    assert one.get_execution_options()["writes"]


def test_one_has_it_at_a_time(writer):
    """The others wait for their turn, and nobody is lost."""
    inside, most, turns = [0], [0], []

    def write() -> None:
        for _ in range(20):
            with writer.connection(patience_s=PATIENCE_S):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns.append(threading.get_ident())
                inside[0] -= 1

    threads = [threading.Thread(target=write) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE_S)

    assert most == [1]
    assert len(turns) == 160


def test_a_turn_that_does_not_come_is_a_lock_that_is_not_free(writer):
    """Bounded, and in the words of the database."""
    with (
        writer.connection(patience_s=PATIENCE_S),
        pytest.raises(OperationalError, match="locked"),
        writer.connection(patience_s=0.01),
    ):
        pass

    assert not _used(writer).in_transaction()


def test_a_turn_ends_whatever_happens(writer):
    """A fault of one is not the next one's."""
    with pytest.raises(LookupError), writer.connection(patience_s=PATIENCE_S):
        raise LookupError

    assert _used(writer).scalar(text("SELECT 1")) == 1


def test_one_that_broke_is_not_kept(writer):
    """The next has one that works."""
    with writer.connection(patience_s=PATIENCE_S) as broken:
        broken.invalidate()

    assert broken.closed
    assert _used(writer).scalar(text("SELECT 1")) == 1


def test_one_in_a_transaction_is_not_kept(writer):
    """Nobody goes on with what another has begun."""
    with writer.connection(patience_s=PATIENCE_S) as busy:
        busy.execute(text("CREATE TABLE left_open (x)"))

    assert busy.closed
    assert not _used(writer).in_transaction()


def test_one_whose_commit_failed_holds_up_nobody(writer, path):
    """SQLite keeps its transaction, and the lock, where SQLAlchemy takes it for ended."""
    with writer.connection(patience_s=PATIENCE_S) as first:
        first.execute(text("CREATE TABLE rows (x)"))
        first.commit()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM rows").fetchall()  # without WAL a commit waits for readers

    with writer.connection(patience_s=PATIENCE_S) as failing:
        failing.exec_driver_sql("PRAGMA busy_timeout=0")
        failing.exec_driver_sql("BEGIN IMMEDIATE")
        failing.exec_driver_sql("INSERT INTO rows VALUES (1)")
        with pytest.raises(OperationalError, match="locked"):
            failing.commit()
    reader.execute("COMMIT")

    with writer.connection(patience_s=PATIENCE_S) as next_one:
        next_one.exec_driver_sql("BEGIN IMMEDIATE")
        assert next_one.scalar(text("SELECT count(*) FROM rows")) == 0
    reader.close()


def test_one_that_is_closed_has_no_lock(writer, path):
    """Not while somebody holds a statement of it either, as a traceback that is kept does."""
    with writer.connection(patience_s=PATIENCE_S) as failing:
        failing.execute(text("CREATE TABLE rows (x)"))
        failing.commit()
        statement = failing.connection.cursor()
        statement.execute("BEGIN IMMEDIATE")
        statement.execute("INSERT INTO rows VALUES (1), (2) RETURNING x")

    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert other.execute("SELECT count(*) FROM rows").fetchone() == (0,)
    other.close()
    del statement


def test_a_replaced_file_is_left(writer, path, tmp_path):
    """What is written next is written into the file that stands there now."""
    old = _used(writer)
    copyfile(path, tmp_path / "restored")
    (tmp_path / "restored").replace(path)

    new = _used(writer)

    assert old.closed
    assert new is not old
    assert Path(path).samefile(sqlite_file(new.engine))


def test_a_file_that_is_gone_is_not_made_anew(writer, path):
    """An empty database in its place would look as if all were lost."""
    old = _used(writer)
    path.unlink()

    assert _used(writer) is old
    assert not path.exists()


def test_disposing_of_the_engine_closes_it(writer):
    """The last connection to a file brings into it what stands beside it."""
    closed: list[object] = []
    kept = _used(writer)
    held = _of_the_driver(kept)
    event.listen(kept.engine, "close", lambda connection, _: closed.append(connection))

    kept.engine.dispose()

    assert kept.closed
    assert held in closed
    assert _used(writer) is not kept


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


class _LateTurn:
    """A turn that others have for a while, by the clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def acquire(self, *, timeout: float) -> bool:
        """Have it, once they are done."""
        self._clock.advance(min(self._seconds, timeout))
        return self._seconds < timeout

    def release(self) -> None:
        """Nobody waits."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("turn_s", [0, 7, 9.9])
def test_one_deadline_holds_for_the_turn_and_for_the_lock(app, monkeypatch, turn_s):
    """Whoever has waited behind this process's writers waits less behind another's."""
    clock = FakeClock()
    with app.app_context():
        writer = db.engine.get_execution_options()[WRITER]
        monkeypatch.setattr(writer, "_clock", clock)
        monkeypatch.setattr(session, "begin_writing", partial(begin_writing, clock=clock))
        stranger = sqlite3.connect(sqlite_file(db.engine), isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        began_s = clock.monotonic()

        monkeypatch.setattr(writer, "_turn", _LateTurn(clock, turn_s))
        with pytest.raises(OperationalError, match="locked"), write_transaction():
            pass
        assert clock.monotonic() - began_s == pytest.approx(session.PATIENCE_S, abs=0.1)

        stranger.execute("ROLLBACK")
        with write_transaction() as (connection, _):
            assert connection.in_transaction()
        stranger.close()
