"""One limit for all that a call takes, against a server that spends it in many ways."""

import time
from collections.abc import Iterator

import pytest
from redis.exceptions import TimeoutError as RedisTimeout

from cache.connection import Connection
from cache.deadline import call_within
from cache.settings import CacheSettings
from tests.doubles.redis_process import RedisProcess
from tests.doubles.tcp_proxy import TcpProxy, Wire

pytestmark = pytest.mark.server

LIMIT_S = 0.2
SLACK_S = 2.0


@pytest.fixture
def proxy(redis_process: RedisProcess) -> Iterator[TcpProxy]:
    """The wire to a healthy server."""
    proxy = TcpProxy(redis_process.port)
    yield proxy
    proxy.close()


@pytest.fixture
def connection(proxy: TcpProxy) -> Iterator[Connection]:
    """A worker's connection through it."""
    url = f"redis://127.0.0.1:{proxy.port}"
    connection = Connection(CacheSettings(redis_url=url, timeout_s=LIMIT_S))
    yield connection
    connection.reset()


def test_a_reply_that_trickles_is_given_up(proxy, connection, redis_process):
    """Each byte comes in time, all of them would take a quarter of an hour."""
    redis_process.tell("SET", "long", b"x" * 10_000)
    connection.client().ping()
    proxy.wire = Wire(delay_s=0.1, piece_bytes=1)
    began_s = time.monotonic()

    with pytest.raises(RedisTimeout), call_within(LIMIT_S):
        connection.client().get("long")

    assert time.monotonic() - began_s < LIMIT_S + SLACK_S


def test_a_slow_greeting_counts(proxy, connection):
    """A new connection asks four things before the first command; each would be in time."""
    proxy.wire = Wire(delay_s=LIMIT_S * 0.6)
    began_s = time.monotonic()

    with pytest.raises(RedisTimeout), call_within(LIMIT_S):
        connection.client().ping()

    assert time.monotonic() - began_s < LIMIT_S + SLACK_S


def test_outside_a_call_each_answer_has_its_own_limit(proxy, connection):
    """Background work asks for much at once."""
    connection.client().ping()
    proxy.wire = Wire(delay_s=LIMIT_S * 0.6)

    answers = [connection.client().ping() for _ in range(3)]

    assert answers == [True, True, True]


def test_a_calls_limit_ends_with_it(connection):
    """The next call has all of its time."""
    with pytest.raises(RedisTimeout), call_within(0.0):
        connection.client().ping()

    with call_within(LIMIT_S):
        assert connection.client().ping()


def test_a_reply_given_up_is_nobody_elses(proxy, connection, redis_process):
    """It arrives later, on a connection that is closed by then."""
    redis_process.tell("MSET", "mine", "a", "yours", "b")
    connection.client().ping()
    proxy.wire = Wire(delay_s=LIMIT_S * 2)
    with pytest.raises(RedisTimeout), call_within(LIMIT_S):
        connection.client().get("mine")
    proxy.wire = Wire()

    answers = [connection.client().get("yours") for _ in range(20)]

    assert answers == [b"b"] * 20
