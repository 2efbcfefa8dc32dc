"""The checker judges right: it finds out every protocol that is known to be wrong, and no other.

The same tool over the same kind of servers then judges Larder.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from tests.doubles.redis_process import RedisProcess, free_port
from tests.oracles.protocols import make_tables
from tests.oracles.version_checker import Verdict, check_versions
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("oracle-controls")]

ROOT = Path(__file__).parents[2]
KEYS = ("a", "b")
LONGEST_S = 20.0
"""For one that is wrong; each is found out within a second or two."""
CLEAN_S = 2.0
REST_S = 0.3


class Served:
    """One protocol, as its clients see it."""

    def __init__(self, http: urllib3.PoolManager, url: str, may_write: threading.Event) -> None:
        self._http = http
        self._url = url
        self._may_write = may_write

    def write(self, key: str, version: int) -> bool:
        """Put a number, once that is allowed."""
        self._may_write.wait(LONGEST_S)
        answer = self._http.request("PUT", f"{self._url}/{key}", body=str(version))
        return answer.status == 200

    def read(self, key: str) -> int | None:
        """Get it."""
        answer = self._http.request("GET", f"{self._url}/{key}")
        return int(answer.data) if answer.status == 200 else None


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """What the protocols cache in."""
    folder = tmp_path_factory.mktemp("redis")
    process = RedisProcess("--dir", str(folder)).start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, redis: RedisProcess) -> Iterator[str]:
    """Two workers of four threads that serve all of them."""
    folder = tmp_path_factory.mktemp("protocols")
    make_tables(folder / "numbers.sqlite3")
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],  # noqa: TID251 (the tests' own)
        "PYTHONPATH": str(ROOT),
        "ORACLE_DATABASE": str(folder / "numbers.sqlite3"),
        "ORACLE_REDIS_PORT": str(redis.port),
    }
    words = ("--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words, "tests.oracles.protocol_app:app"],
            cwd=folder, env=environ, stdout=log, stderr=log,
        )  # fmt: skip
    http = urllib3.PoolManager(retries=False)

    def answers() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return http.request("GET", f"http://127.0.0.1:{port}/Stamped/x").status == 200
        return False

    wait_until(answers, within_s=60)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture
def judge(url: str):
    """Checks one protocol until it is found out, or for so long."""
    http = urllib3.PoolManager(retries=False, timeout=30, maxsize=16)

    always = threading.Event()
    always.set()

    def check(name: str, seconds: float, may_write: threading.Event = always) -> Verdict:
        return check_versions(
            Served(http, f"{url}/{name}", may_write),
            KEYS,
            seconds=seconds,
            is_enough=lambda verdict: verdict.stale_reads > 0,
        )

    yield check
    http.clear()


@pytest.mark.parametrize(
    "name",
    ["DeleteAfterCommit", "StampAfterData", "BumpBeforeTransaction", "FlightWithoutStamp"],
)
def test_a_protocol_that_is_wrong_is_found_out(judge, name):
    """Nothing fails, nobody is killed: writes and reads at the same time are enough."""
    verdict = judge(name, LONGEST_S)

    assert verdict.stale_reads > 0, verdict


def test_a_protocol_that_trusts_redis_is_found_out(judge, redis):
    """Killed, and back with an old snapshot, Redis says of old values that they are fresh.

    The writers rest while the snapshot is made, so that there is something fresh in it, and while
    Redis comes back, so that somebody reads before the next write.
    """
    may_write, ended = threading.Event(), threading.Event()

    def restore() -> None:
        while not ended.is_set():
            ended.wait(REST_S)
            redis.tell("SAVE")
            may_write.set()
            ended.wait(REST_S)
            may_write.clear()
            redis.kill()
            redis.start()
        may_write.set()

    killer = threading.Thread(target=restore)
    killer.start()
    try:
        verdict = judge("GenerationInRedis", LONGEST_S, may_write)
    finally:
        ended.set()
        killer.join()

    assert verdict.stale_reads > 0, verdict


def test_a_protocol_that_is_right_passes(judge):
    """Stamped before the data, raised with it: the checker has nothing to say."""
    verdict = judge("Stamped", CLEAN_S)

    assert verdict.stale_reads == 0, verdict.stale
    assert verdict.reads > 50
    assert verdict.writes > 10
