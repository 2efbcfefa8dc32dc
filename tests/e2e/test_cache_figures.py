"""The cache's figures are exact over all workers: under load, through their deaths and restarts."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.together import together
from tests.e2e.conftest import WORKER_CLASSES
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]
CLIENTS, READS, WORKERS = 6, 20, 2


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def larder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GunicornServer]:
    """Larder with two workers of one class, each with a memory of its own."""
    folder: Path = tmp_path_factory.mktemp(f"figures-{request.param}")
    server = GunicornServer(
        folder,
        LARDER_WORKER_CLASS=request.param,
        WEB_CONCURRENCY=str(WORKERS),
        SHUTDOWN_GRACE="1",
    ).start()
    wait_until(lambda: len(server.worker_pids()) == WORKERS, within_s=30)
    yield server
    server.stop()


def _read(larder: GunicornServer) -> int:
    """How many of a client's reads were answered; each on a connection of its own."""
    answered = 0
    for _ in range(READS):
        try:
            answered += larder.get("/api/folders", headers={"Connection": "close"}).status == 200
        except urllib3.exceptions.HTTPError:
            continue
    return answered


def _write(larder: GunicornServer) -> int:
    """A few writes between, so that there are misses."""
    for number in range(5):
        assert larder.post("/api/folders", {"name": f"folder {number}"}).status == 201
    return 0


def _figures(larder: GunicornServer) -> dict[str, Any]:
    """The reads of folders so far, whichever worker is asked."""
    answer = larder.get("/api/cache/stats")
    assert answer.status == 200, answer.data
    stats = answer.json()
    (space,) = [each for each in stats["namespaces"] if each["namespace"] == "conversations"]
    found = [each for each in space["resources"] if each["resource"] == "folders"]
    nothing = {"reads": 0, "hits": 0, "misses": 0, "misses_by_reason": {}}
    shown: dict[str, Any] = found[0] if found else nothing
    return shown


def _load(larder: GunicornServer) -> int:
    answered: int = sum(together([lambda: _read(larder)] * CLIENTS + [lambda: _write(larder)]))
    return answered


def _reads_since(larder: GunicornServer, before: dict[str, Any]) -> int:
    """How many more reads were counted; their parts always add up."""
    now = _figures(larder)
    assert now["hits"] + now["misses"] == now["reads"]
    assert sum(now["misses_by_reason"].values()) == now["misses"]
    counted: int = now["reads"] - before["reads"]
    return counted


def test_every_read_under_load_is_counted_once(larder):
    """Hits and misses of all workers at once add up to the requests that were sent."""
    before = _figures(larder)

    answered = _load(larder)

    assert answered == CLIENTS * READS
    assert _reads_since(larder, before) == answered
    assert _figures(larder)["hits"] > 0
    assert _figures(larder)["windows"]["1m"]["reads"] >= answered
    assert {_figures(larder)["reads"] for _ in range(9)} == {_figures(larder)["reads"]}


def test_a_worker_that_is_killed_takes_no_count_along(larder):
    """All that was answered is counted, at most what was on its way besides, and nothing twice."""
    before, doomed = _figures(larder), larder.worker_pids()[0]

    def kill() -> int:
        wait_until(lambda: _figures(larder)["reads"] > before["reads"] + READS)
        os.kill(doomed, signal.SIGKILL)
        return 0

    answered = sum(together([lambda: _read(larder)] * CLIENTS + [kill]))
    wait_until(lambda: doomed not in larder.worker_pids(), within_s=30)
    wait_until(lambda: len(larder.worker_pids()) == WORKERS, within_s=30)

    assert answered <= _reads_since(larder, before) <= CLIENTS * READS
    between = _figures(larder)
    assert _reads_since(larder, between) == 0
    assert _load(larder) == _reads_since(larder, between)


@pytest.mark.parametrize("larder", ["gevent"], indirect=True)
def test_a_restart_of_the_server_loses_no_count(larder):
    """The next one begins where this one ended."""
    before = _figures(larder)
    answered = _load(larder)

    larder.stop()
    larder.start()

    assert _reads_since(larder, before) == answered
