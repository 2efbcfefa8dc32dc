"""From a URL to a client: which servers, which limits, and nothing tried twice."""

import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisRefused
from redis.exceptions import TimeoutError as RedisTimeout
from redis.sentinel import SentinelConnectionPool

from cache.connection import Connection, check_redis_url
from cache.deadline import (
    TimedConnection,
    TimedSentinelTlsConnection,
    TimedTlsConnection,
)
from cache.redis_faults import FAULTS
from cache.settings import CacheSettings
from tests.doubles.redis_process import free_port, strict_client
from tests.doubles.server_programs import redis_program
from tests.streams.scripts import wait_until


@pytest.fixture
def connect():
    """Makes connections of a URL, and gives them up."""
    made: list[Connection] = []

    def make(url: str, **changes) -> Connection:
        made.append(Connection(CacheSettings(redis_url=url, **changes)))
        return made[-1]

    yield make
    for connection in made:
        connection.reset()


def _options(connection: Connection) -> Any:
    return connection.client().connection_pool.connection_kwargs


def test_a_plain_url_names_one_server(connect):
    """With its account and database, their special characters written as URLs have them."""
    options = _options(connect("redis://app:p%40ss%2Fword@cache.example:6390/3"))

    expected = {
        "host": "cache.example",
        "port": 6390,
        "db": 3,
        "username": "app",
        "password": "p@ss/word",
    }
    assert {name: options[name] for name in expected} == expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis+sentinel://a:1,b:2/main/3",
        "rediss://localhost?ssl_cert_reqs=none",
    ],
)
def test_limits_are_the_settings(connect, url):
    """Whatever the form; redis-py's own would wait for seconds and try ten times."""
    options = _options(connect(url, connect_timeout_s=0.3, timeout_s=0.7))

    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (0.3, 0.7)
    assert options["retry"].get_retries() == 0
    assert options["client_name"] == "larder"


@pytest.mark.parametrize("url", ["redis://localhost?{}", "redis+sentinel://a:1/main?{}"])
def test_the_urls_own_options_come_first(connect, url):
    """As numbers and truths, not as text."""
    options = _options(connect(url.format("socket_timeout=2.5&health_check_interval=9")))

    assert (options["socket_timeout"], options["health_check_interval"]) == (2.5, 9)


def test_tls_checks_the_servers_certificate(connect):
    """Unless the URL says otherwise; a CA of one's own is a path."""
    pool = connect("rediss://cache.example?ssl_ca_certs=/etc/ca.pem").client().connection_pool

    assert pool.connection_class is TimedTlsConnection
    assert pool.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"
    assert pool.connection_kwargs.get("ssl_cert_reqs", "required") == "required"


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("one:26380", [("one", 26380)]),
        ("one:26380,two:26381, three", [("one", 26380), ("two", 26381), ("three", 26379)]),
        ("[::1]:26380,[::2]", [("::1", 26380), ("::2", 26379)]),
        ("10.0.0.1", [("10.0.0.1", 26379)]),
    ],
)
def test_sentinels_are_all_known(connect, hosts, expected):
    """One of them answering is enough."""
    pool = connect(f"redis+sentinel://{hosts}/main").client().connection_pool

    sentinels = [
        (options["host"], options["port"])
        for options in (
            each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels
        )
    ]
    assert sentinels == expected


def test_a_sentinel_url_names_the_service(connect):
    """Its database and account are the servers'; nothing but the primary is spoken to."""
    pool = connect("redis+sentinel://a%40pp:s%3Acret@a:1,b:2/main/3").client().connection_pool

    assert isinstance(pool, SentinelConnectionPool)
    assert (pool.service_name, pool.is_master) == ("main", True)
    options = pool.connection_kwargs
    assert (options["db"], options["username"], options["password"]) == (3, "a@pp", "s:cret")


def test_a_sentinel_url_may_leave_the_service_out(connect):
    """Sentinel's own configuration calls it so."""
    pool = connect("redis+sentinel://a:1").client().connection_pool

    assert (pool.service_name, pool.connection_kwargs["db"]) == ("mymaster", 0)


def test_sentinels_servers_may_need_tls(connect):
    """By the scheme, as for one server."""
    pool = connect("rediss+sentinel://a:1/main").client().connection_pool

    assert pool.connection_class is TimedSentinelTlsConnection


def _sentinel_pools(pool: Any) -> list[Any]:
    return [each.connection_pool for each in pool.sentinel_manager.sentinels]


def test_sentinels_speak_tls_as_the_servers_do(connect):
    """A network that needs it needs it for all."""
    pool = connect("rediss+sentinel://a:1,b:2/main?ssl_ca_certs=/etc/ca.pem").client()
    sentinels = _sentinel_pools(pool.connection_pool)

    assert [each.connection_class for each in sentinels] == [TimedTlsConnection] * 2
    assert {each.connection_kwargs["ssl_ca_certs"] for each in sentinels} == {"/etc/ca.pem"}


def test_sentinels_may_have_options_of_their_own(connect):
    """A password that the servers do not have, and no TLS."""
    url = "rediss+sentinel://u:p@a:1/main?sentinel_password=other&sentinel_ssl=false"
    client = connect(url + "&ssl_ca_certs=/etc/ca.pem").client()
    (sentinel,) = _sentinel_pools(client.connection_pool)

    assert sentinel.connection_class is TimedConnection
    assert sentinel.connection_kwargs["password"] == "other"
    assert "username" not in sentinel.connection_kwargs
    assert client.connection_pool.connection_kwargs["password"] == "p"
    assert client.connection_pool.connection_class is TimedSentinelTlsConnection


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://127.0.0.1:{},127.0.0.1:{}",
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main",
        "redis://127.0.0.1:{}",
    ],
)
def test_a_refused_connection_fails_at_once(connect, url):
    """Once, fast, with an error that the circuit knows."""
    connection = connect(url.format(free_port(), free_port()))
    began_s = time.perf_counter()

    with pytest.raises(FAULTS):
        connection.client().ping()

    assert time.perf_counter() - began_s < 10  # the clients' own retries take longer


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_silent_server_costs_one_time_out(connect, silent_port):
    """Not ten."""
    client = connect(f"redis://127.0.0.1:{silent_port}", timeout_s=0.2).client()
    began_s = time.perf_counter()

    with pytest.raises(RedisTimeout):
        client.get("k")

    assert 0.15 < time.perf_counter() - began_s < 10 * 0.2


def test_a_client_is_made_once(connect):
    """Its pool is what makes it cheap."""
    connection = connect("redis://localhost")

    assert connection.client() is connection.client()


def test_a_forked_worker_has_its_own_client(connect):
    """Two processes on one socket would get each other's answers."""
    connection = connect("redis://localhost")
    before = connection.client()

    connection._pid = -1  # noqa: SLF001 (as if made by the parent)

    assert connection.client() is not before


def test_a_reset_makes_a_new_client(connect):
    """After a failover the servers are looked up anew."""
    connection = connect("redis://localhost")
    before = connection.client()

    connection.reset()

    assert connection.client() is not before


def test_making_a_connection_opens_nothing(connect):
    """An application is made without a Redis; the first use says whether there is one."""
    connection = connect(f"redis+cluster://127.0.0.1:{free_port()}")

    with pytest.raises(FAULTS):
        connection.client()


@pytest.mark.server
def test_a_cluster_is_spoken_to(connect, redis_cluster):
    """The nodes named are asked for all others."""
    client = connect(f"redis+cluster://127.0.0.1:{redis_cluster.port}").client()

    assert client.set("larder:test", b"v", px=1000)
    assert client.get("larder:test") == b"v"


@pytest.fixture
def sentinel_port(redis_process, tmp_path) -> Iterator[int]:
    """A Sentinel that watches the server as `main`."""
    port = free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
        f"sentinel monitor main 127.0.0.1 {redis_process.port} 1\n"
    )
    command = [str(redis_program()), str(settings), "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = strict_client(port)

    def knows() -> bool:
        try:
            return bool(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"))
        except RedisRefused:
            return False

    wait_until(knows)
    yield port
    client.close()
    process.kill()
    process.wait()


@pytest.mark.server
def test_the_primary_is_found_through_a_sentinel(connect, sentinel_port, redis_process):
    """One of the Sentinels named is away: the other one knows."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel_port}/main"

    client = connect(url).client()

    assert client.set("larder:test", b"v", px=1000)
    assert client.info("server")["tcp_port"] == redis_process.port


@pytest.mark.server
def test_limits_hold_for_a_cluster_too(connect, redis_cluster):
    """Its nodes' connections have them."""
    client = connect(f"redis+cluster://127.0.0.1:{redis_cluster.port}", timeout_s=0.7).client()
    (node,) = client.get_nodes()
    options = node.redis_connection.connection_pool.connection_kwargs

    assert (options["socket_timeout"], options["client_name"]) == (0.7, "larder")
    assert client.retry.get_retries() == 0


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://u:p%40ss@[::1]:6390/3?ssl_ca_certs=/ca.pem",
        "redis+sentinel://a:1,b:2/main/1",
        "redis+sentinel://a:1",
        "rediss+sentinel://:p@a:1/main/0?sentinel_password=q&sentinel_ssl=false&ssl_ca_certs=/ca",
        "redis://localhost/0?health_check_interval=30&protocol=3&ssl_cert_reqs=none",
        "redis+cluster://a:1,b:2",
    ],
)
def test_a_url_of_each_form_is_let_through(url):
    """The check is for what could never work, not for what it does not know."""
    check_redis_url(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://:hunter2@localhost:port/0", "a port or an option"),
        ("redis://:hunter2/3@localhost:6379/0", "percent-encoded"),
        ("redis://:hunter2@localhost/0?socket_timeout=soon", "a port or an option"),
        ("redis://:hunter2@a:1,b:2/0", "several hosts"),
        ("redis://:hunter2@localhost/cache", "number of a database"),
        ("redis+sentinel://:hunter2@a:1/main/cache", "number of a database"),
        ("redis://:hunter2@localhost/0?timeout=5", "option .*'timeout'"),
        ("redis://localhost/0?password=hunter2", "option .*'password'"),
        ("redis://localhost/0?sentinel_password=hunter2", "option .*'sentinel_password'"),
        ("redis://:hunter2@localhost/0?protocol=9", "option .*protocol"),
        ("redis+sentinel://:hunter2@a:1/main?sentinel_user=me", "option .*'user'"),
    ],
)
def test_a_url_that_could_never_work_is_told_without_its_password(url, told):
    """Each call would fail, and the start would say that no Redis answers."""
    with pytest.raises(ValueError, match=told) as refused:
        check_redis_url(url)

    assert "hunter2" not in str(refused.value)
