"""The database's door: one extension, fresh sessions to read, one kind of session to write.

SQLite runs in WAL mode; a writing session takes the write lock when it begins, so that a
transaction never fails half-way for having read first.
"""

import atexit
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import psycopg
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, MetaData, RootTransaction, event, make_url, text
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session

from config import SettingsError
from database.write_lock import BEGIN, begin_writing
from database.writer import DEADLINE, Writer, is_replaced, remember_file

__all__ = [
    "BUSY_TIMEOUT_MS",
    "Base",
    "autocommit_connection",
    "close_connections",
    "database_answers",
    "db",
    "init_database",
    "read_connection",
    "read_session",
    "sqlite_file",
    "write_session",
    "write_transaction",
]

BUSY_TIMEOUT_MS = 10_000
PATIENCE_S = BUSY_TIMEOUT_MS / 1000
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
IN_MEMORY = (None, "", ":memory:")
WRITER = "larder_writer"
"""The option of an engine of SQLite that has its connection for writing."""
_OPEN: WeakSet[Engine] = WeakSet()


class Base(DeclarativeBase):
    """What every table derives from; constraints have fixed names, for migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


def init_database(app: Flask, url: str, *, pool_size: int) -> None:
    """Bind the extension to `app` and prepare its engine for `url`.

    Raises:
        SettingsError: it is no URL of a database that Larder knows.
    """
    _check(url)
    # Faults are logged, and what a statement writes are people's messages and keys' hashes.
    options: dict[str, Any] = {"pool_pre_ping": False, "hide_parameters": True}
    if not url.startswith("sqlite"):
        options |= {
            "pool_size": pool_size,
            "max_overflow": pool_size,
            "pool_timeout": 10,
            "pool_recycle": 1800,
        }
    else:
        options |= {
            "pool_size": 20,
            "max_overflow": 200,
            "connect_args": {"timeout": PATIENCE_S},
        }
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        if url.startswith("sqlite"):
            _prepare_sqlite(db.engine)
        else:
            event.listen(db.engine, "checkout", _on_postgres_checkout)


def _check(url: str) -> None:
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):  # its text may hold the password
        made = None
    if made is None or made.drivername not in DRIVERS:
        raise SettingsError("DATABASE_URL must begin with sqlite:/// or postgresql://")
    if made.drivername.startswith("sqlite") and made.database in IN_MEMORY:
        raise SettingsError("DATABASE_URL must name a file after sqlite:///: workers share it")


def _prepare_sqlite(engine: Engine) -> None:
    _OPEN.add(engine)
    engine.update_execution_options(**{WRITER: Writer(engine)})
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "checkout", _on_sqlite_checkout)
    event.listen(engine, "begin", _on_sqlite_begin)


@atexit.register
def _close_all() -> None:
    """Close what is open: the last to close a file brings all that was written into it.

    Else a command's writes stand in the `-wal` file beside it, which a copy of the file lacks.
    """
    for engine in list(_OPEN):
        engine.dispose()


def _on_sqlite_connect(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    remember_file(connection, record.info)


def _on_sqlite_checkout(connection: object, record: Any, proxy: object) -> None:
    """Leave a file that another has taken the place of."""
    del connection, proxy
    if is_replaced(record.info):
        raise DisconnectionError("the database's file was replaced")


def _on_postgres_checkout(connection: Any, record: object, proxy: object) -> None:
    """Leave a connection that the server has ended while nobody used it, as by a restart.

    Nothing is asked: what has come is looked at. That is the reason first, the end behind it.
    """
    del record, proxy
    try:
        for _ in range(2):
            connection.pgconn.consume_input()
    except psycopg.OperationalError as fault:
        raise DisconnectionError("the server has ended the connection") from fault


def _on_sqlite_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    # Past SQLAlchemy, which takes five times as long as SQLite for it.
    cursor, writes = connection.connection.cursor(), bool(options.get("writes"))
    try:
        if writes:
            deadline_s = connection.info.pop(DEADLINE, None)
            begin_writing(cursor, patience_ms=BUSY_TIMEOUT_MS, deadline_s=deadline_s)
        else:
            cursor.execute("BEGIN")
    except sqlite3.Error as fault:
        raise OperationalError(BEGIN if writes else "BEGIN", None, fault) from fault
    finally:
        cursor.close()


@contextmanager
def read_session() -> Iterator[Session]:
    """A fresh session for one read; its snapshot begins with its first statement."""
    engine = db.engine
    if engine.dialect.name == "postgresql":  # whose default is a snapshot for each statement
        engine = engine.execution_options(
            isolation_level="REPEATABLE READ",
            postgresql_readonly=True,  # a lock in a snapshot would fail a race now and then
        )
    with Session(engine, autoflush=False, expire_on_commit=False) as session:
        yield session


@contextmanager
def read_connection() -> Iterator[Connection]:
    """A connection for one statement that is asked over and over, and gives no rows as objects.

    What a session does besides takes as long as the statement.
    """
    with db.engine.connect() as connection:
        yield connection


@contextmanager
def write_transaction() -> Iterator[tuple[Connection, RootTransaction]]:
    """A connection and its one transaction, for whoever opens it to commit.

    Services write through the unit of work alone; beside it only the generations' store does.
    """
    engine = db.engine
    writer: Writer | None = engine.get_execution_options().get(WRITER)
    given = writer.connection(patience_s=PATIENCE_S) if writer else engine.connect()
    with given as connection:
        transaction = connection.begin()
        try:
            yield connection, transaction
        finally:
            transaction.close()


@contextmanager
def write_session() -> Iterator[Session]:
    """A session that may write, for what stands beside the services: benchmarks and tests."""
    engine = db.engine.execution_options(writes=True)
    with Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def autocommit_connection() -> Iterator[Connection]:
    """A connection without a transaction: every statement sees what was committed before it."""
    with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield connection


def sqlite_file(engine: Engine) -> str:
    """The path of `engine`'s SQLite database, however its URL says it."""
    with engine.connect() as connection:
        path: str = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    return path


def database_answers() -> bool:
    """Whether the database answers a statement."""
    try:
        with autocommit_connection() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def close_connections() -> None:
    """Close the connections that nobody uses just now, as the last thing before the end."""
    db.engine.dispose()
