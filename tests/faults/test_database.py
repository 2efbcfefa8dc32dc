"""The database gone under gunicorn: the catalogue is served as stale where that was asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.postgres import PostgresServer
from tests.doubles.server_programs import lacking, postgres_programs

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("database")]

MODELS, FOLDERS = "/api/models", "/api/folders"


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    """A PostgreSQL that the test may end."""
    programs = postgres_programs()
    if programs is None:
        lacking("PostgreSQL")
    server = PostgresServer(programs)
    server.start()
    yield server
    server.close()


@pytest.fixture
def larder(tmp_path: Path, database: PostgresServer) -> Iterator[GunicornServer]:
    """One worker that may serve the catalogue for an hour without its database."""
    server = GunicornServer(
        tmp_path,
        DATABASE_URL=database.make_database(),
        CACHE_BACKEND="memory",
        CACHE_STALE_IF_ERROR="3600",
        WEB_CONCURRENCY="1",
    ).start()
    yield server
    server.stop()


def test_the_catalogue_outlives_the_database(larder: GunicornServer, database: PostgresServer):
    """Labelled stale; whatever belongs to somebody is a 503, as is what was never read."""
    before = larder.get(MODELS)
    larder.get(FOLDERS)

    database.close()
    after, folders = larder.get(MODELS), larder.get(FOLDERS)
    unread = larder.get(f"{MODELS}?limit=7")

    assert (after.status, after.data) == (200, before.data)
    assert "fwd=stale" in after.headers["Cache-Status"]
    assert "detail=error" in after.headers["Cache-Status"]
    assert (folders.status, unread.status) == (503, 503)
