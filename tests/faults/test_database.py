"""The database gone under gunicorn: the catalogue is served as stale where that was asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.postgres import PostgresServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("database")]

MODELS, FOLDERS = "/api/models", "/api/folders"


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """A database that the test takes away."""
    return postgres_server.make_database()


@pytest.fixture
def larder(tmp_path: Path, database: str) -> Iterator[GunicornServer]:
    """One worker that may serve the catalogue for an hour without its database."""
    server = GunicornServer(
        tmp_path,
        DATABASE_URL=database,
        CACHE_STALE_IF_ERROR="3600",
        WEB_CONCURRENCY="1",
        SHUTDOWN_GRACE="0",
    ).start()
    yield server
    server.stop()


def test_the_catalogue_outlives_the_database(
    larder: GunicornServer, database: str, postgres_server: PostgresServer
):
    """Labelled stale; whatever belongs to somebody is a 503, as is what was never read."""
    before = larder.get(MODELS)
    larder.get(FOLDERS)

    postgres_server.drop_database(database)
    after, folders = larder.get(MODELS), larder.get(FOLDERS)
    unread = larder.get(f"{MODELS}?limit=7")

    assert (after.status, after.data) == (200, before.data)
    assert "fwd=stale" in after.headers["Cache-Status"]
    assert "detail=error" in after.headers["Cache-Status"]
    assert (folders.status, unread.status) == (503, 503)
