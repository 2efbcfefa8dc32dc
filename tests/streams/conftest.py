"""What the tests of streams share: Redis, faked and real."""

from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import pytest
from redis.cluster import RedisCluster

from tests.doubles.redis_process import RedisProcess, free_port, strict_client
from tests.streams.scripts import wait_until

NewClient = Callable[[], Any]


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


@pytest.fixture(
    params=[
        "fake",
        pytest.param("real", marks=pytest.mark.server),
        pytest.param("cluster", marks=pytest.mark.server),
    ]
)
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Makes clients of one empty Redis, one for each worker."""
    clients: list[Any] = []
    if request.param == "fake":
        server = fakeredis.FakeServer()

        def make() -> Any:
            return fakeredis.FakeRedis(server=server)
    elif request.param == "cluster":
        cluster_port = request.getfixturevalue("redis_cluster").port

        def make() -> Any:
            clients.append(RedisCluster(host="127.0.0.1", port=cluster_port))
            return clients[-1]

        make().flushall()
    else:
        port = request.getfixturevalue("redis_process").port

        def make() -> Any:
            clients.append(strict_client(port))
            return clients[-1]

        make().flushall()
    yield make
    for client in clients:
        client.close()
