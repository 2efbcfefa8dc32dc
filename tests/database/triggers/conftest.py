"""Tables with their triggers, written by plain SQL: as by hand, past the ORM."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

import app  # noqa: F401 (all tables are known from here on)
from database.session import Base

AT = "'2026-01-01 00:00:00+00'"
FOLDER = f"INSERT INTO folders VALUES ('{{0}}', '{{1}}', {{2}}, 'n', {AT}, {AT})"
PEOPLE = (
    *(
        f"INSERT INTO users VALUES ('{each}', '{each}', '{each}@x', 'member', true, {AT}, {AT})"
        for each in ("alice", "bob")
    ),
    f"INSERT INTO workspaces VALUES ('team', 'Team', {AT}, {AT})",
    f"INSERT INTO workspace_members VALUES ('team', 'alice', 'owner', {AT})",
    (
        "INSERT INTO api_keys(id, user_id, name, hint, secret_hash, scopes, created_at)"
        f" VALUES ('key', 'alice', 'n', 'h', 'HASH', '[]', {AT})"
    ),
    FOLDER.format("trips", "alice", "NULL"),
    FOLDER.format("rome", "alice", "'trips'"),
)
GONE = ("users", "workspaces", "providers", "prices", "idempotency_records")


class Written:
    """A database whose generations are looked at around what is written."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def by(self, *statements: str) -> set[str]:
        """The scopes that a transaction of these statements raised."""
        with self.raised() as scopes, self.engine.begin() as connection:
            self.run(connection, *statements)
        return scopes

    @contextmanager
    def raised(self) -> Iterator[set[str]]:
        """The scopes that were raised by the block's end; lowered ones are an error."""
        before = self.generations()
        scopes: set[str] = set()
        yield scopes
        after = self.generations()
        assert all(after[name] >= generation for name, generation in before.items())
        scopes |= {name for name in after if after[name] > before.get(name, 0)}

    def generations(self) -> dict[str, int]:
        """All of them."""
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT scope, generation FROM cache_generations"))
            return {scope: generation for scope, generation in found}  # noqa: C416 (rows are no pairs)

    @staticmethod
    def run(connection: Connection, *statements: str) -> None:
        """Execute statements as they stand."""
        for each in statements:
            connection.exec_driver_sql(each, execution_options={"no_parameters": True})


def _own_transactions(engine: Engine) -> Engine:
    """Have an SQLite engine begin and check references as the shell does that was told to."""

    def on_connect(connection: Any, record: object) -> None:
        del record
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")  # `recursive_triggers` stays off
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _fill(engine: Engine) -> Written:
    written = Written(engine)
    written.by(*(f"DELETE FROM {each}" for each in GONE), *PEOPLE)
    return written


@pytest.fixture(scope="module")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for the tests of a module."""
    path = tmp_path_factory.mktemp("triggers") / "own.sqlite3"
    engine = _own_transactions(create_engine(f"sqlite:///{path}"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgres_engine(postgres_server: Any) -> Iterator[Engine]:
    """One database for the tests of a module."""
    url = postgres_server.make_database()
    engine = create_engine(url, pool_size=20)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_written(sqlite_engine: Engine) -> Written:
    """SQLite with two users, of whom Alice has a key, a workspace and folders."""
    return _fill(sqlite_engine)


@pytest.fixture
def postgres_written(postgres_engine: Engine) -> Written:
    """The same on PostgreSQL."""
    return _fill(postgres_engine)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def written(request: pytest.FixtureRequest) -> Written:
    """The same on both."""
    name = "sqlite_written" if request.param == "sqlite" else "postgres_written"
    found: Written = request.getfixturevalue(name)
    return found
