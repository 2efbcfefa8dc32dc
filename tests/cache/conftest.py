"""What the tests of the cache share: generations without a table, and Redis, faked and real."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakeredis import FakeServer
from flask import Flask, request_started

from cache.backends.redis import RedisTier
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_process import RedisProcess, free_port, strict_client
from tests.doubles.redis_tier import make_tier
from tests.streams.scripts import wait_until

pytest.register_assert_rewrite("tests.cache.suite", "tests.cache.suite_verbs")


@pytest.fixture
def store() -> FakeGenerations:
    """The generations that all workers of a test share."""
    return FakeGenerations()


@pytest.fixture
def server() -> FakeServer:
    """Redis, without a process; `connected` is its cable."""
    return FakeServer()


@pytest.fixture
def new_tier(clock: FakeClock) -> Iterator[Callable[..., RedisTier]]:
    """Makes Redis tiers, and ends them."""
    made: list[RedisTier] = []

    def make(client: Any, **options: Any) -> RedisTier:
        made.append(make_tier(client, clock=clock, **options))
        return made[-1]

    yield make
    for tier in made:
        tier.stop()


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """One real server for all tests that do not harm it."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One node that holds all slots, which is a Cluster to its clients."""
    folder = tmp_path_factory.mktemp("redis-cluster")
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    process = RedisProcess(*options, "--dir", str(folder)).start()
    client = strict_client(process.port)
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
    client.close()
    yield process
    process.kill()


@pytest.fixture
def reached(app: Flask) -> Iterator[list[str]]:
    """One word for each request that came to Flask, past the layer that sends hits."""
    came: list[str] = []

    def note(sender: Flask, **_: Any) -> None:
        came.append(sender.name)

    request_started.connect(note, app)
    yield came
    request_started.disconnect(note, app)
