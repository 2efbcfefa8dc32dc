"""From one URL to a client: plain, TLS, Sentinel, Cluster; primaries only, never a retry.

redis-py's defaults turn «Redis is down» into seconds for every call; here a call fails once, fast,
and the circuit does the rest. The forms:

- `redis://[user:password@]host:port/db`
- `redis+sentinel://[user:password@]h:p,h:p/service/db`; options that begin with `sentinel_` are for
  the Sentinels: `sentinel_username`, `sentinel_password`, `sentinel_ssl=false`
- `redis+cluster://[user:password@]h:p,h:p`

Each with `rediss` instead of `redis` speaks TLS; `ssl_ca_certs=` and the like stand in the query
string.
"""

import os
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import URL_QUERY_ARGUMENT_PARSERS, to_bool
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from cache.deadline import (
    TimedConnection,
    TimedSentinelConnection,
    TimedSentinelTlsConnection,
    TimedTlsConnection,
)
from cache.pool import QuickPool, QuickSentinelPool
from cache.settings import CacheSettings

__all__ = ["POOL_CONNECTIONS", "Connection", "RedisClient", "check_redis_url"]

RedisClient = Any  # redis.Redis or RedisCluster: the same verbs, no common type
OPTION_TYPES: dict[str, Any] = {**URL_QUERY_ARGUMENT_PARSERS}
DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379
POOL_CONNECTIONS = 128
OF_SENTINELS = "sentinel_"


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    hosts: tuple[tuple[str, int | None], ...]
    username: str | None
    password: str | None
    path: tuple[str, ...]
    options: dict[str, Any]

    @property
    def has_tls(self) -> bool:
        return self.scheme.startswith("rediss")


class Connection:
    """The client of this process, made when first needed and again after a fork."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._pid = 0
        self._client: RedisClient | None = None

    def client(self) -> RedisClient:
        """The client.

        Raises:
            Exception: one of `FAULTS`; a Cluster could not be asked for its layout.
        """
        if self._client is not None and self._pid == os.getpid():
            return self._client
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client = self._make()
                self._pid = os.getpid()
            return self._client

    def reset(self) -> None:
        """Forget the client: after a failover its connections lead to the wrong server.

        Those that other threads are reading from are left to them: closed under their hands, the
        descriptor could be another's by the time they look.
        """
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            for pool in _pools(client):
                pool.disconnect(inuse_connections=False)

    def _make(self) -> RedisClient:
        target = _parse(self._settings.redis_url)
        options = self._limits() | target.options
        if target.scheme.endswith("+cluster"):
            return self._cluster(target, options)
        if target.scheme.endswith("+sentinel"):
            return self._sentinel(target, options)
        ((host, port),) = target.hosts
        return _one_server(
            target.has_tls,
            host=host,
            port=port or DEFAULT_PORT,
            username=target.username,
            password=target.password,
            **{"db": int(target.path[0]) if target.path else 0, **options},
        )

    def _limits(self) -> dict[str, Any]:
        return {
            "socket_connect_timeout": self._settings.connect_timeout_s,
            "socket_timeout": self._settings.timeout_s,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "client_name": "larder",
            "driver_info": None,  # two round trips of every new connection that tell nobody a thing
            "max_connections": POOL_CONNECTIONS,
        }

    @staticmethod
    def _cluster(target: _Target, options: dict[str, Any]) -> RedisClient:
        (host, port), *others = target.hosts
        return RedisCluster(
            # Only of a client made from a URL do nodes' pools take our class of connections.
            url=f"redis://{f'[{host}]' if ':' in host else host}:{port or DEFAULT_PORT}",
            startup_nodes=[ClusterNode(each, at or DEFAULT_PORT) for each, at in others],
            connection_class=TimedTlsConnection if target.has_tls else TimedConnection,
            username=target.username,
            password=target.password,
            **options,
        )

    @staticmethod
    def _sentinel(target: _Target, options: dict[str, Any]) -> RedisClient:
        service = target.path[0] if target.path else "mymaster"
        database = int(target.path[1]) if len(target.path) > 1 else 0
        own = {
            name.removeprefix(OF_SENTINELS): options.pop(name)
            for name in tuple(options)
            if name.startswith(OF_SENTINELS)
        }
        has_tls = to_bool(own.pop("ssl", target.has_tls))
        sentinel = Sentinel([])
        sentinel.sentinels = [
            _one_server(has_tls, host=host, port=port or DEFAULT_SENTINEL_PORT, **options | own)
            for host, port in target.hosts
        ]
        pool = QuickSentinelPool(
            service,
            sentinel,
            connection_class=(
                TimedSentinelTlsConnection if target.has_tls else TimedSentinelConnection
            ),
            db=database,
            username=target.username,
            password=target.password,
            **options,
        )
        return redis.Redis(connection_pool=pool)


def _one_server(has_tls: bool, **options: Any) -> Any:
    if not has_tls:
        options = {name: value for name, value in options.items() if not name.startswith("ssl_")}
    return redis.Redis(
        connection_pool=QuickPool(
            connection_class=TimedTlsConnection if has_tls else TimedConnection, **options
        )
    )


def _pools(client: RedisClient) -> list[Any]:
    if not isinstance(client, RedisCluster):
        return [client.connection_pool]
    return [node.redis_connection.connection_pool for node in client.get_nodes() or ()
            if node.redis_connection is not None]  # fmt: skip


def check_redis_url(url: str) -> None:
    """Look for what no server could mend: each call would fail, as if Redis were away.

    Raises:
        ValueError: what in `url` is wrong. Nothing of it is repeated, for it may hold a password.
    """
    try:
        target = _parse(url)
    except ValueError:
        raise ValueError(
            "cannot be read: a port or an option is not what it must be;"
            " special characters of a password are percent-encoded"
        ) from None
    has_service = target.scheme.endswith("+sentinel")
    if len(target.hosts) > 1 and "+" not in target.scheme:
        raise ValueError("names several hosts: only +sentinel and +cluster have more than one")
    database = target.path[1:] if has_service else target.path
    if "+cluster" not in target.scheme and not (database[0] if database else "0").isdecimal():
        raise ValueError("must end with the number of a database, such as /0")
    if "+cluster" not in target.scheme:  # whose client asks the nodes as soon as it is made
        _check_options(url)


def _check_options(url: str) -> None:
    try:
        client = Connection(CacheSettings(redis_url=url)).client()
        for pool in (client.connection_pool, *_sentinel_pools(client)):
            pool.connection_class(**pool.connection_kwargs)  # which connects later
    except (TypeError, ValueError, RedisError) as fault:  # with names, not what they are set to
        raise ValueError(f"has an option that cannot be used: {fault}") from None


def _sentinel_pools(client: RedisClient) -> list[Any]:
    pool = client.connection_pool
    if not isinstance(pool, QuickSentinelPool):
        return []
    return [each.connection_pool for each in pool.sentinel_manager.sentinels]


def _parse(url: str) -> _Target:
    """The parts of a URL, with one host or several.

    Raises:
        ValueError: a port is not a number, or an option not of its type.
    """
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    username, _, password = account.partition(":")
    places = [urlsplit(f"//{each.strip()}") for each in hosts.split(",")]
    return _Target(
        scheme=parts.scheme,
        hosts=tuple((each.hostname or "localhost", each.port) for each in places),
        username=unquote(username) or None,
        password=unquote(password) or None,
        path=tuple(part for part in parts.path.split("/") if part),
        options={
            name: OPTION_TYPES.get(name, str)(value) for name, value in parse_qsl(parts.query)
        },
    )
