"""From one URL to a client: plain, TLS, Sentinel, Cluster; masters only, never a retry.

redis-py's defaults turn «Redis is down» into seconds for every call; here a call fails once, fast,
and the circuit does the rest. The forms:

- `redis://[user:password@]host:port/db`, `rediss://…` (TLS; `ssl_ca_certs=` and the like in the
  query string)
- `redis+sentinel://[user:password@]h:p,h:p/service/db` (`rediss+sentinel://` with TLS)
- `redis+cluster://[user:password@]h:p,h:p`
"""

import os
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import URL_QUERY_ARGUMENT_PARSERS
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from cache.settings import CacheSettings

__all__ = ["FAULTS", "Connection", "RedisClient"]

RedisClient = Any  # redis.Redis or RedisCluster: the same verbs, no common type
FAULTS = (RedisError, RedisClusterException, OSError)  # the second is no RedisError
OPTION_TYPES: dict[str, Any] = {**URL_QUERY_ARGUMENT_PARSERS}
DEFAULT_PORT = 6379
POOL_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    path: tuple[str, ...]
    options: dict[str, Any]


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
            Exception: one of `FAULTS`; a Cluster or Sentinel could not be asked for its layout.
        """
        if self._client is not None and self._pid == os.getpid():
            return self._client
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client = self._make()
                self._pid = os.getpid()
            return self._client

    def reset(self) -> None:
        """Forget the client and its connections: after a failover they lead to the wrong server."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _make(self) -> RedisClient:
        url = self._settings.redis_url
        scheme = urlsplit(url).scheme
        if scheme in {"redis", "rediss"}:
            return redis.Redis.from_url(url, **self._limits(), max_connections=POOL_CONNECTIONS)
        target = _parse(url)
        options = self._limits() | target.options
        if scheme.startswith("rediss"):
            options["ssl"] = True
        if scheme.endswith("+cluster"):
            return self._cluster(target, options)
        return self._sentinel(target, options)

    def _limits(self) -> dict[str, Any]:
        return {
            "socket_connect_timeout": self._settings.connect_timeout_s,
            "socket_timeout": self._settings.timeout_s,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "protocol": 2,
            "client_name": "larder",
        }

    @staticmethod
    def _cluster(target: _Target, options: dict[str, Any]) -> RedisClient:
        return RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in target.hosts],
            username=target.username,
            password=target.password,
            **{name: value for name, value in options.items() if name != "retry_on_timeout"},
        )

    @staticmethod
    def _sentinel(target: _Target, options: dict[str, Any]) -> RedisClient:
        service = target.path[0] if target.path else "mymaster"
        database = int(target.path[1]) if len(target.path) > 1 else 0
        short = {key: options[key] for key in ("socket_connect_timeout", "socket_timeout")}
        sentinel = Sentinel(
            list(target.hosts), sentinel_kwargs={**short, "retry": options["retry"]}
        )
        return sentinel.master_for(
            service,
            db=database,
            username=target.username,
            password=target.password,
            **options,
        )


def _parse(url: str) -> _Target:
    """The parts of a URL with several hosts.

    Raises:
        ValueError: a port is not a number.
    """
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    username, _, password = account.partition(":")
    places = [urlsplit(f"//{each.strip()}") for each in hosts.split(",")]
    return _Target(
        scheme=parts.scheme,
        hosts=tuple((each.hostname or "localhost", each.port or DEFAULT_PORT) for each in places),
        username=unquote(username) or None,
        password=unquote(password) or None,
        path=tuple(part for part in parts.path.split("/") if part),
        options={
            name: OPTION_TYPES.get(name, str)(value) for name, value in parse_qsl(parts.query)
        },
    )
