"""What the suite's application stands on: SQLite or PostgreSQL, no Redis, a Redis, a dying one.

`--database postgresql` and `--cache redis|dying` put every test that does not choose for itself on
that: a promise about the application has to hold on all of them.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import UndefinedTable

from app import create_app
from config import Settings
from database.session import db
from telemetry.ids import new_id
from tests.doubles.postgres import PostgresServer
from tests.doubles.redis_process import RedisProcess

__all__ = [
    "cache_fields",
    "database_url",
    "dying_redis_url",
    "either_url",
    "redis_url",
    "shared_postgres_url",
]

UP_S, DOWN_S = 1.5, 0.5


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two choices."""
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.addoption("--cache", choices=("memory", "redis", "dying"), default="memory")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Elsewhere than on the defaults, only what stands on the application is worth running."""
    if (config.getoption("--database"), config.getoption("--cache")) == ("sqlite", "memory"):
        return
    concerned = [each for each in items if "settings" in getattr(each, "fixturenames", ())]
    config.hook.pytest_deselected(items=[each for each in items if each not in set(concerned)])
    items[:] = concerned


@pytest.fixture(scope="session")
def shared_postgres_url(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A database with all tables, which the tests of one process use in turn."""
    url = postgres_server.make_database()
    _make_tables(url, tmp_path_factory.mktemp("shared"))
    return url


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One test's own database, or one that is empty and nobody else's just now.

    A test that is about one of the two names it as the fixture's parameter.
    """
    if getattr(request, "param", request.config.getoption("--database")) == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    return _emptied(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, on SQLite and then on PostgreSQL, whatever was chosen.

    The latter has its tables already, which `create_all` does not mind.
    """
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'either.sqlite3'}"
    return _emptied(request, tmp_path)


def _emptied(request: pytest.FixtureRequest, folder: Path) -> str:
    url: str = request.getfixturevalue("shared_postgres_url")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    tables = db.metadata.sorted_tables
    try:
        server.empty(url, tables)
    except UndefinedTable:  # the test before dropped some
        _make_tables(url, folder)
        server.empty(url, tables)
    return url


def _make_tables(url: str, folder: Path) -> None:
    settings = Settings(
        instance_path=folder, database_url=url, cache_backend="memory", secret_key="x"
    )
    app = create_app(settings)
    with app.app_context():
        db.create_all()
        db.engine.dispose()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The suite's Redis."""
    server = RedisProcess().start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.kill()


@pytest.fixture(scope="session")
def dying_redis_url() -> Iterator[str]:
    """A Redis that dies and comes back, empty, all the time."""
    server = RedisProcess().start()
    ended = threading.Event()
    killer = threading.Thread(target=_kill_and_start, args=(server, ended))
    killer.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    ended.set()
    killer.join()
    server.kill()


@pytest.fixture
def cache_fields(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of one test's cache; in Redis under a prefix of its own.

    A test that is about one of them names it as the fixture's parameter.
    """
    wanted = getattr(request, "param", request.config.getoption("--cache"))
    if wanted == "memory":
        return {"cache_backend": "memory"}
    fixture = "redis_url" if wanted == "redis" else "dying_redis_url"
    return {
        "cache_backend": "auto",
        "redis_url": request.getfixturevalue(fixture),
        "cache_key_prefix": new_id(),
    }


def _kill_and_start(server: RedisProcess, ended: threading.Event) -> None:
    while not ended.wait(UP_S):
        server.kill()
        ended.wait(DOWN_S)
        server.start()
