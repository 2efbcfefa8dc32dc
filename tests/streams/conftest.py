"""What the tests of streams share: Redis, faked and real."""

from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import pytest
from redis.cluster import RedisCluster

from tests.doubles.redis_process import patient_client

NewClient = Callable[[], Any]


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
            clients.append(patient_client(port))
            return clients[-1]

        make().flushall()
    yield make
    for client in clients:
        client.close()
