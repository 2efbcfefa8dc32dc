"""Larder before the version checker: Redis restored, frozen and flushed, workers killed.

On SQLite with gevent workers and on PostgreSQL with gthread ones; every server is real.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import urllib3

from tests.doubles.gunicorn_server import GunicornServer
from tests.faults.redis_faults import AWAY, HERE, Victim
from tests.oracles.failpoint_app import FOLDER
from tests.oracles.larder_store import LarderStore
from tests.oracles.version_checker import check_versions
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("oracle-larder")]

KEYS = ("a", "b", "c")
CHECKED_S = 6.0
UP_S, AWAY_S = 0.4, 0.4
TROUBLES = (AWAY["killed and restored"][0], AWAY["frozen"][0], HERE["flushed"][0])
PLACES = ("before commit", "after commit", "after lease", "before store", "after store")


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """The Redis that troubles are made with."""
    made = Victim(tmp_path_factory.mktemp("redis"))
    yield made
    made.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def larder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, victim: Victim
) -> Iterator[GunicornServer]:
    """Two workers that can be killed at any place."""
    settings = {"LARDER_WORKER_CLASS": "gevent"}
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").make_database()
        settings = {"LARDER_WORKER_CLASS": "gthread", "DATABASE_URL": url}
    made = GunicornServer(
        tmp_path_factory.mktemp("larder"),
        application="tests.oracles.failpoint_app:app",
        CACHE_BACKEND="auto",
        REDIS_URL=victim.url,
        CACHE_KEY_PREFIX=request.param,
        CACHE_AUDIT_SHARE="1",
        **settings,
    ).start()
    yield made
    inconsistencies = made.get("/api/cache/stats").json()["totals"]["inconsistencies"]
    made.stop()
    assert inconsistencies == 0


@pytest.fixture
def store(larder: GunicornServer) -> LarderStore:
    """Fresh conversations."""
    return LarderStore([larder], KEYS)


@pytest.fixture
def troubled(victim: Victim) -> Iterator[None]:
    """Redis comes and goes all the time: restored from old snapshots, frozen, emptied."""
    ended = threading.Event()

    def trouble() -> None:
        while not ended.is_set():
            for fault in TROUBLES:
                with fault(victim):
                    ended.wait(AWAY_S)
                ended.wait(UP_S)

    thread = threading.Thread(target=trouble)
    thread.start()
    yield
    ended.set()
    thread.join()


def _kill_one(larder: GunicornServer) -> None:
    os.kill(larder.worker_pids()[0], signal.SIGKILL)


def test_no_read_is_older_than_an_acknowledged_write(larder, store, troubled):
    """Whatever Redis does, and with a worker killed at full speed."""
    killer = threading.Timer(CHECKED_S / 3, _kill_one, [larder])
    killer.start()

    verdict = check_versions(store, KEYS, seconds=CHECKED_S)
    killer.join()

    assert verdict.stale_reads == 0, verdict.stale
    assert store.failures == []
    assert verdict.reads > 20
    assert verdict.writes > 10
    wait_until(lambda: store.read("a") is not None, within_s=60)
    assert store.differences() == []


def _die(larder: GunicornServer, place: str, act: Callable[[], object]) -> None:
    """Have the worker that does `act` die at `place`, and wait until others serve."""
    armed = larder.instance_path / FOLDER / place
    armed.touch()
    with suppress(urllib3.exceptions.HTTPError):
        act()
    wait_until(lambda: not armed.exists(), within_s=60)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_killed_anywhere_leaves_nothing_wrong(larder, store, place):
    """SIGKILL at this place of a write and the read after it: what is served is what is kept."""
    store.write("a", 1)
    store.read("a")
    acknowledged: list[bool] = []

    def write_and_read() -> None:
        acknowledged.append(store.write("a", 2))
        store.read("a")

    _die(larder, place, write_and_read)

    wait_until(lambda: store.read("a") is not None, within_s=60)
    # The reads that a write begins with may be where its worker dies.
    unsaid = {1} if place == "before commit" else {1, 2}
    assert store.read("a") in ({2} if acknowledged == [True] else unsaid)
    assert store.differences() == []
    assert store.write("a", 3)
    assert store.differences() == []


def test_a_worker_killed_while_it_warms_leaves_nothing_wrong(larder, store):
    """What it had stored by then is servable, and right."""
    store.write("b", 1)

    _die(larder, "after store", lambda: larder.post("/api/cache/warm", {"strategies": ["all"]}))

    wait_until(lambda: store.read("b") is not None, within_s=60)
    assert store.write("b", 2)
    assert store.differences() == []
