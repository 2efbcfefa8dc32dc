"""The connections to one provider's host: made by urllib3, TLS too, and kept for the next call.

https://urllib3.readthedocs.io/en/stable/reference/urllib3.connection.html
"""

import socket
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from ssl import SSLContext
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
)
from urllib3.util import create_urllib3_context, parse_url

from providers.addresses import addresses_of
from providers.protocol import OnWait, ProviderConfig, ProviderTimeout, ProviderUnavailable
from providers.proxies import Proxy, proxy_to
from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["NEAR_S", "UNREACHABLE", "Connection", "Connections"]

MOST_IDLE = 100
MAX_IDLE_S = 60
"""How long one is kept unused. Routers forget quiet connections after minutes and tell neither end:
a request into such a one would be lost, and noticed only when its time is over."""
NEAR_S = 0.05
"""Within this a model of one's own network is reached, for which a thread would cost more."""
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
)
"""So that routers remember those in use that are silent while a model thinks. Seconds, and how many
probes may stay without an answer; not every system lets them be set."""
SOCKET_OPTIONS = (*HTTPConnection.default_socket_options, *KEEPALIVE)
PORTS = {"http": 80, "https": 443}
UNREACHABLE = "The provider could not be reached."
UNREACHABLE_BY_PROXY = "The provider could not be reached through the proxy (HTTPS_PROXY)."

Connection = HTTPConnection
Idle = deque[tuple[Connection, float]]
"""Those that nobody uses, each with since when; the latest last."""


class Connections:
    """Those of one base URL.

    Args:
        config: the provider's: where requests go, whose path follows its base URL, how long
            connecting may take, for each address of the host, and through which proxy.
        clock: says how long one was not used.

    Attributes:
        host: as requests name it.
        base_path: what the path of each begins with.

    Raises:
        ProviderUnavailable: the base URL is none.
    """

    def __init__(self, config: ProviderConfig, *, clock: Clock = SYSTEM_CLOCK) -> None:
        try:
            url = parse_url(config.base_url)
        except LocationValueError as fault:
            raise _not_valid() from fault
        if not url.host or url.scheme not in PORTS:
            raise _not_valid()
        self.host = url.host if url.port is None else f"{url.host}:{url.port}"
        self.base_path = (url.path or "").rstrip("/")
        self._address = url.host.strip("[]"), url.port or PORTS[url.scheme]
        self._context: SSLContext | None = None
        self._proxy: Proxy | None = None
        if url.scheme == "https":
            self._context = _trusting()
            self._proxy = proxy_to(*self._address, config.proxy_url, config.no_proxy)
        self._connect_timeout_s = config.connect_timeout_s
        self._clock = clock
        self._idle: Idle = deque()
        weakref.finalize(self, _close_all, self._idle)

    def take(self, on_wait: OnWait | None = None) -> Connection:
        """One not used for a short while whose other end has not hung up, or a new one.

        Args:
            on_wait: as `ChatRequest` has it; told nothing where that takes no time.

        Raises:
            ProviderUnavailable, ProviderTimeout: there is no way to the provider, or it was hung up
                on; nothing was sent.
        """
        while True:
            try:
                kept, since_s = self._idle.pop()
            except IndexError:
                return self._new(on_wait)
            if not self._is_old(since_s) and _is_silent(kept):
                return kept
            kept.close()

    def give_back(self, connection: Connection) -> None:
        """Keep one whose response was read to its end."""
        with suppress(IndexError):  # a steady load takes the latest and never the oldest
            while self._is_old(self._idle[0][1]):
                self._idle.popleft()[0].close()
        if len(self._idle) < MOST_IDLE:
            self._idle.append((connection, self._clock.monotonic()))
        else:
            connection.close()

    def close(self) -> None:
        """Close those that nobody uses."""
        _close_all(self._idle)

    def _is_old(self, since_s: float) -> bool:
        return self._clock.monotonic() - since_s > MAX_IDLE_S

    def _new(self, on_wait: OnWait | None) -> Connection:
        if on_wait is None:
            return self._connected(self._connect_timeout_s)
        if self._context is None:
            with suppress(ProviderTimeout):
                return self._connected(min(NEAR_S, self._connect_timeout_s))
        return self._awaited(on_wait)

    def _awaited(self, on_wait: OnWait) -> Connection:
        """As `_connected`, for as long as nobody hangs up.

        Neither a connect nor a handshake can be called off: it goes on, on a thread that nobody
        waits for.
        """
        found: Future[Connection] = Future()

        def hang_up() -> None:
            found.cancel()

        thread = threading.Thread(
            target=self._connect, args=(found,), name="larder-connect", daemon=True
        )
        try:
            thread.start()
            on_wait(hang_up)
            return found.result()
        except (CancelledError, RuntimeError) as fault:  # or no thread can be had
            raise self._no_way() from fault
        finally:
            hang_up()  # whoever is killed while waiting does not come for it either
            on_wait(None)

    def _connect(self, found: Future[Connection]) -> None:
        try:
            connection = self._connected(self._connect_timeout_s)
        except BaseException as fault:  # noqa: BLE001 (raised where it is waited for)
            with suppress(InvalidStateError):
                found.set_exception(fault)
            return
        try:
            found.set_result(connection)
        except InvalidStateError:
            connection.close()

    def _connected(self, within_s: float) -> Connection:
        host = self._address[0] if self._proxy is None else self._proxy.host
        try:
            return self._connected_to(addresses_of(host, within_s), within_s)
        except NewConnectionError as fault:  # refused, no such host: a time-out only by its base
            raise self._no_way() from fault
        except (ConnectTimeoutError, TimeoutError) as fault:
            raise ProviderTimeout(
                "The provider could not be reached in time.", was_sent=False
            ) from fault
        except (HTTPError, OSError, ValueError, RuntimeError) as fault:
            raise self._no_way() from fault

    def _connected_to(self, addresses: Sequence[str], within_s: float) -> Connection:
        """A connection to the first of these that lets itself be reached."""
        *others, last = addresses
        for each in others:
            with suppress(ConnectTimeoutError):  # that it was refused is one too
                return self._connected_at(each, within_s)
        return self._connected_at(last, within_s)

    def _connected_at(self, address: str, within_s: float) -> Connection:
        connection = self._made(address, within_s)
        connection.connect()
        return connection

    def _no_way(self) -> ProviderUnavailable:
        words = UNREACHABLE if self._proxy is None else UNREACHABLE_BY_PROXY
        return ProviderUnavailable(words, was_sent=False)

    def _made(self, address: str, within_s: float) -> Connection:
        """One that is not yet connected."""
        host, port = self._address
        options: dict[str, Any] = {"timeout": within_s, "socket_options": SOCKET_OPTIONS}
        if self._context is None:
            return HTTPConnection(address, port, **options)
        options["ssl_context"] = self._context
        if self._proxy is None:
            return HTTPSConnection(address, port, server_hostname=host.rstrip("."), **options)
        connection = HTTPSConnection(address, self._proxy.port, **options)
        self._proxy.tunnel(connection, host, port)
        return connection


def _close_all(idle: Idle) -> None:
    while idle:
        idle.pop()[0].close()


def _trusting() -> SSLContext:
    """Whom the system trusts, or `SSL_CERT_FILE`; read once, since that takes long."""
    context = create_urllib3_context()
    context.load_default_certs()
    return context


def _is_silent(connection: Connection) -> bool:
    """Whether nothing has come on an idle connection: neither its end nor what nobody asked for."""
    sock = connection.sock
    if sock is None:
        return False
    if isinstance(connection, HTTPSConnection):
        return connection.is_connected
    try:  # a look costs a tenth of asking whether one may look
        sock.settimeout(0)
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _not_valid() -> ProviderUnavailable:
    return ProviderUnavailable("The provider's base URL is not valid.", was_sent=False)
