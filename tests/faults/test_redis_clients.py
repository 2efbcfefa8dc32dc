"""What a worker holds of Redis, under everything that happens to it: no leak, no foreign answer."""

import gc
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cache.backends.redis import CALLS_AT_ONCE, RedisTier
from cache.connection import Connection
from cache.deadline import call_within
from cache.redis_faults import FAULTS
from cache.settings import CacheSettings
from telemetry.clock import SYSTEM_CLOCK
from tests.doubles.redis_process import RedisProcess, free_port
from tests.doubles.redis_topologies import SentinelGroup
from tests.doubles.tcp_proxy import TcpProxy
from tests.doubles.together import together
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis-clients")]

ROOT = Path(__file__).parents[2]
FLAPS = 100
TORN = 3000
PATIENCES_S = (0.0, 0.0003, 0.001, 0.003, 5.0)
"""Too short, for some of the calls on any machine; and long enough."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    """A healthy server."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture
def proxy(redis: RedisProcess) -> Iterator[TcpProxy]:
    """The wire to it."""
    made = TcpProxy(redis.port)
    yield made
    made.close()


@pytest.fixture
def connection(proxy: TcpProxy) -> Iterator[Connection]:
    """A worker's connection through the wire."""
    made = Connection(_settings(proxy))
    yield made
    made.reset()


@pytest.fixture
def errors() -> Counter[str]:
    """The failures that the tier has met, by kind."""
    return Counter()


@pytest.fixture
def tier(proxy: TcpProxy, connection: Connection, errors: Counter[str]) -> Iterator[RedisTier]:
    """A worker's tier over it."""
    made = RedisTier(
        connection,
        settings=_settings(proxy),
        clock=SYSTEM_CLOCK,
        on_error=lambda kind, _: errors.update([kind]),
        on_back=lambda: None,
    )
    yield made
    made.stop()


def _settings(proxy: TcpProxy) -> CacheSettings:
    url = f"redis://127.0.0.1:{proxy.port}"
    return CacheSettings(redis_url=url, timeout_s=5.0, connect_timeout_s=5.0, probe_s=0.01)


def _sockets(port: int) -> int:
    """Connections that this process has to a port."""
    gc.collect()
    lines = Path(f"/proc/{os.getpid()}/net/tcp").read_text().splitlines()[1:]
    mine = {str(each.readlink()) for each in _descriptors()}
    return sum(
        fields[2].endswith(f":{port:04X}") and f"socket:[{fields[9]}]" in mine
        for fields in (line.split() for line in lines)
    )


def _descriptors() -> list[Path]:
    return [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]


def _probes() -> int:
    return sum(each.name == "redis-probe" for each in threading.enumerate())


def _flap(tier: RedisTier, proxy: TcpProxy) -> None:
    proxy.refuse()
    together([lambda: tier.get("k")] * 4)
    proxy.accept()
    wait_until(tier.circuit.try_now)


def test_a_hundred_flaps_leave_nothing_behind(tier, proxy):
    """No thread, no socket; a Redis that comes and goes for a year must not eat the worker."""
    before = _probes()

    for _ in range(FLAPS):
        _flap(tier, proxy)
    together([lambda: tier.set("k", b"v", 60)] * 4)

    wait_until(lambda: _probes() == before)
    wait_until(lambda: _sockets(proxy.port) <= 4)
    assert tier.circuit.opened_count >= FLAPS
    assert tier.get("k") == b"v"


def test_servers_looked_up_anew_leave_nothing_behind(tier, proxy, redis):
    """Each time that the server has turned out to be a replica, the old connections go."""
    for _ in range(10):
        redis.tell("REPLICAOF", "127.0.0.1", free_port())
        together([lambda: tier.set("k", b"v", 60)] * 4)
        redis.tell("REPLICAOF", "NO", "ONE")
        wait_until(tier.circuit.try_now)

    wait_until(lambda: _sockets(proxy.port) <= 4)
    assert tier.set("k", b"v", 60)


def test_connections_are_not_taken_out_of_others_hands(tier, connection):
    """A failover that one request finds out is nothing to those that are being answered."""
    tier.set("k", b"v", 60)
    ended = threading.Event()

    def reset() -> None:
        while not ended.wait(0.001):
            connection.reset()

    resetting = threading.Thread(target=reset)
    resetting.start()
    answers = together([lambda: [tier.get("k") for _ in range(50)]] * 8)
    ended.set()
    resetting.join()

    assert answers == [[b"v"] * 50] * 8
    assert tier.outages == ()


def test_more_callers_than_connections_is_no_outage(tier, errors):
    """They wait for one another; Redis has done nothing wrong."""
    tier.set("k", b"v", 60)

    answers = together([lambda: tier.get("k")] * CALLS_AT_ONCE * 3)

    assert set(answers) <= {b"v", None}
    assert set(errors) <= {"Busy"}
    assert tier.outages == ()


def _torn(connection: Connection, name: str) -> bytes | None:
    """The answer, if it came within a time that is sometimes too short for it."""
    try:
        with call_within(random.choice(PATIENCES_S)):  # noqa: S311 (no secret)
            found: bytes | None = connection.client().get(name)
    except FAULTS:
        return None
    return found


def _torn_often(connection: Connection, name: str) -> set[bytes | None]:
    return {_torn(connection, name) for _ in range(TORN // 6)}


def test_nobody_is_given_anothers_answer(connection, redis):
    """Thousands of calls given up between question and answer, on connections that all share."""
    names = [f"name-{number}" for number in range(6)]
    redis.tell("MSET", *(word for name in names for word in (name, name)))

    answers = together([partial(_torn_often, connection, name) for name in names])

    assert all(found <= {name.encode(), None} for name, found in zip(names, answers, strict=True))
    assert {None} < set().union(*answers)


@pytest.fixture(params=["one server", "sentinel"])
def url(request: pytest.FixtureRequest, redis: RedisProcess, tmp_path: Path) -> Iterator[str]:
    """Redis as workers have it; behind Sentinels the client reads in another way."""
    if request.param == "one server":
        yield f"redis://127.0.0.1:{redis.port}"
        return
    group = SentinelGroup(tmp_path, sentinels=1)
    try:
        yield group.start().url
    finally:
        group.kill()


def test_greenlets_torn_away_leave_no_answer_behind(url):
    """Gevent ends a greenlet wherever it waits; the connection it was reading from is closed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.greenlets", url, str(TORN)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    torn, wrong, right = map(int, done.stdout.split())

    assert wrong == 0
    assert torn > 10
    assert right > 10
