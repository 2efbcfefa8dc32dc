"""An entry that is over, under gunicorn: served at once, and made anew beside the requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("refreshes")]

MODELS = "/api/models"


@pytest.fixture(params=["gevent", "gthread"])
def larder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GunicornServer]:
    """One worker, whose list of models is over after a second."""
    server = GunicornServer(
        tmp_path,
        LARDER_WORKER_CLASS=request.param,
        CACHE_TTL_MODELS_LIST="1",
        CACHE_AUDIT_SHARE="1",
        WEB_CONCURRENCY="1",
        SHUTDOWN_GRACE="0",
    ).start()
    yield server
    assert server.stop() == 0


def test_the_catalogue_is_served_while_it_is_made_anew(larder: GunicornServer):
    """Stale, and said so, until the load that it has started is done; then it is a hit again."""
    first = larder.get(MODELS)
    seen: list[str] = []

    def status() -> str:
        answer = larder.get(MODELS)
        assert (answer.status, answer.data) == (200, first.data)
        seen.append(answer.headers["Cache-Status"])
        return seen[-1]

    wait_until(lambda: "fwd=stale" in status())
    wait_until(lambda: "; hit; ttl=" in status())

    assert not any("fwd=miss" in each for each in seen)
    totals = larder.get("/api/cache/stats").json()["totals"]
    assert totals["stale_served"] >= 1
    assert totals["inconsistencies"] == 0
    counted = totals["hits"] + totals["misses"] + totals["stale_served"] + totals["bypasses"]
    assert counted == totals["reads"]
