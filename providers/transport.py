"""The HTTP client of all adapters: pooled, with time limits, without retries.

What goes wrong on the way becomes a `ProviderError` here and in `providers.reply`; adapters know no
sockets.
"""

import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from providers.connections import UNREACHABLE, Connections
from providers.protocol import (
    OnWait,
    ProviderConfig,
    ProviderLost,
    ProviderTimeout,
    ProviderUnavailable,
)
from providers.receiving import READ_BYTES
from providers.refusals import MAX_ERROR_BYTES, raise_refused
from providers.reply import TOO_LATE, Reply
from providers.response import Response

__all__ = ["Transport"]

NOT_IN_TARGET = re.compile(r"[\x00-\x20\x7f]")


class Transport:
    """Speaks HTTP to one provider."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._connections: Connections | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str],
        is_written_first: bool = False,
        on_wait: OnWait | None = None,
    ) -> Reply:
        """Send one request; returns once the provider has accepted it.

        Args:
            method: the HTTP method.
            path: behind the provider's base URL, beginning with a slash.
            body: sent as JSON.
            headers: with the credentials; the provider's own are added.
            is_written_first: whether the answer comes, its head too, when all of it is written, so
                that it may take as long as a whole one.
            on_wait: as `ChatRequest` has it.

        Raises:
            ProviderError: it was not accepted, in the kind that says why.
        """
        asked_s = time.monotonic()
        connections = self._connections
        if connections is None:
            connections = self._connections = Connections(self._config)
        request = self._written(connections, method, path, body, headers)
        limit_s = self._config.first_token_timeout_s
        if is_written_first:
            limit_s = self._config.total_timeout_s
        connection = connections.take(on_wait)
        try:
            with _interruptible(connection.sock, on_wait):
                response, begun = _exchanged(connection.sock, request, asked_s, limit_s)
        except BaseException as fault:
            connection.close()
            if isinstance(fault, TimeoutError):
                raise ProviderTimeout(TOO_LATE) from fault
            if isinstance(fault, (OSError, ValueError)):  # lost on the way: it may have arrived
                raise ProviderLost(UNREACHABLE) from fault
            raise
        reply = Reply(connection, connections, response, begun, self._config, asked_s + limit_s)
        if reply.status != 200:  # noqa: PLR2004 (accepted means 200 and nothing else)
            raise_refused(
                reply.status,
                reply.some(MAX_ERROR_BYTES),
                retry_after=reply.header("retry-after"),
                secret=self._config.api_key,
            )
        return reply

    def close(self) -> None:
        """Close the pooled connections that are idle."""
        if self._connections is not None:
            self._connections.close()

    def _written(
        self,
        connections: Connections,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> bytes:
        """The request as it goes over the wire."""
        raw = b"" if body is None else msgspec.json.encode(body)
        target = connections.base_path + path
        named = {"Host": connections.host, "Accept-Encoding": "identity", **headers}
        named.update(self._config.headers)
        if body is not None:
            named["Content-Length"] = str(len(raw))
        lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {named[name]}" for name in named]]
        head = "\r\n".join(lines)
        ends = len(lines) - 1
        if (head.count("\r"), head.count("\n")) != (ends, ends) or NOT_IN_TARGET.search(target):
            raise _not_sendable()
        try:
            return b"%b\r\n\r\n%b" % (head.encode("latin-1"), raw)
        except UnicodeEncodeError as fault:
            raise _not_sendable() from fault


def _exchanged(
    sock: Any, request: bytes, asked_s: float, limit_s: float
) -> tuple[Response, Iterable[bytes]]:
    """The head of the response, with what came of the body."""
    sock.settimeout(limit_s)
    with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before the end
        sock.sendall(request)
    response = Response()
    while True:
        begun = response.feed(sock.recv(READ_BYTES))
        if response.status:
            return response, begun
        for _ in begun:  # nothing comes before the head but a fault
            pass
        left_s = asked_s + limit_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        sock.settimeout(left_s)


@contextmanager
def _interruptible(sock: Any, on_wait: OnWait | None) -> Iterator[None]:
    """Within the block whoever listens can hang up; after it the connection may be another's."""
    if on_wait is None:
        yield
        return

    def hang_up() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    on_wait(hang_up)
    try:
        yield
    finally:
        on_wait(None)


def _not_sendable() -> ProviderUnavailable:
    return ProviderUnavailable(
        "The provider's path, key or headers cannot be sent.", was_sent=False
    )
