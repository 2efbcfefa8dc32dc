"""What the tests of streams share: Redis, faked and real."""

from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import pytest

from tests.streams.redis_process import RedisProcess, strict_client

NewClient = Callable[[], Any]


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """One real server for all tests that do not harm it."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.server)])
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients of one empty Redis, one for each worker."""
    clients: list[Any] = []
    if request.param == "fake":
        server = fakeredis.FakeServer()

        def make() -> Any:
            return fakeredis.FakeRedis(server=server)
    else:
        port = request.getfixturevalue("redis_process").port

        def make() -> Any:
            clients.append(strict_client(port))
            return clients[-1]

        make().flushall()
    yield make
    for client in clients:
        client.close()
