"""Connections: taken one by one, given back whole, and never with another call's answer in them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import MaxConnectionsError, ResponseError

from cache.connection import Connection
from cache.pool import QuickPool, fetch
from cache.settings import CacheSettings
from tests.doubles.redis_process import RedisProcess

pytestmark = pytest.mark.server


@pytest.fixture
def client(redis_process: RedisProcess) -> Iterator[Any]:
    """A client as the application's connection makes them, on a clean server."""
    url = f"redis://127.0.0.1:{redis_process.port}/0"
    made = Connection(CacheSettings(redis_url=url)).client()
    made.flushdb()
    yield made
    made.close()


def test_the_short_way_fetches_what_the_long_one_does(client):
    """Bytes of any kind, under keys of any letters, or nothing."""
    client.set("ключ", b"\r\n$5\r\n\x00")

    assert fetch(client, "ключ") == client.get("ключ") == b"\r\n$5\r\n\x00"
    assert fetch(client, "nothing") is None


def test_a_refusal_is_the_servers_own_and_leaves_the_connection_good(client):
    """A key of another type says nothing about the connection."""
    client.lpush("list", "x")
    client.set("text", "y")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        fetch(client, "list")

    assert fetch(client, "text") == b"y"
    assert client.connection_pool._created_connections == 1  # noqa: SLF001 (redis-py's)


def test_a_client_of_another_kind_is_asked_its_own_way():
    """A cluster finds the node, and a double answers for itself."""
    double = FakeRedis(server=FakeServer())
    double.set("k", b"v")

    assert fetch(double, "k") == b"v"


def test_one_connection_serves_calls_that_follow_each_other(client):
    """And two that are under way at once have one each."""
    pool = client.connection_pool

    first = pool.get_connection()
    second = pool.get_connection()
    pool.release(second)
    again = pool.get_connection()

    assert isinstance(pool, QuickPool)
    assert first is not second
    assert again is second


def test_an_answer_that_nobody_read_is_thrown_away(client):
    """A caller that was cut short leaves the next one nothing to mistake for its own."""
    client.mset({"a": "A", "b": "B"})
    pool = client.connection_pool
    connection = pool.get_connection()
    connection.send_command("GET", "a")
    assert connection._parser.can_read(5)  # noqa: SLF001 (the answer has come, and is left there)
    pool.release(connection)

    assert fetch(client, "b") == b"B"


class CutShort(redis.Connection):
    """A connection that is interrupted once it has sent its first GET, as by a time limit."""

    cuts = 0

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send; the answer to the first GET is the one that is cut."""
        super().send_packed_command(command, check_health)
        if b"GET" in command[0] and not self.cuts:
            self.cuts += 1
            raise KeyboardInterrupt


def test_a_call_that_is_cut_short_closes_its_connection(client, redis_process):
    """Its answer is still to come, and would be the next one's."""
    client.mset({"a": "A", "b": "B"})
    pool = QuickPool(connection_class=CutShort, host="127.0.0.1", port=redis_process.port)
    interrupted = redis.Redis(connection_pool=pool)

    with pytest.raises(KeyboardInterrupt):
        fetch(interrupted, "a")

    assert fetch(interrupted, "b") == b"B"
    pool.disconnect()


def test_a_connection_that_the_server_closed_is_opened_anew(client):
    """A restart or an idle limit is no failure of the next call."""
    client.set("k", "v")
    client.client_kill_filter(_type="normal", skipme=False)

    assert fetch(client, "k") == b"v"


def test_a_full_pool_says_so(redis_process):
    """Our own limit, which says nothing about Redis."""
    pool = QuickPool(host="127.0.0.1", port=redis_process.port, max_connections=1)
    pool.get_connection()

    with pytest.raises(MaxConnectionsError):
        pool.get_connection()

    pool.disconnect()


def test_another_processs_connection_is_not_kept(client):
    """A fork shares the descriptor: both would read each other's answers."""
    pool = client.connection_pool
    connection = pool.get_connection()
    connection.pid = os.getpid() + 1

    pool.release(connection)

    assert pool.get_connection() is not connection
    assert isinstance(client, redis.Redis)
