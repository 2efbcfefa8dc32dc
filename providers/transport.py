"""The HTTP client of all adapters: pooled, bounded, with time limits, without retries.

What goes wrong on the way becomes a `ProviderError` here; adapters know no sockets. A body is read
as it arrives, so that tokens that came together are handed on together.
"""

import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from providers.connections import UNREACHABLE, Connection, Connections
from providers.protocol import (
    OnWait,
    ProviderBroken,
    ProviderConfig,
    ProviderError,
    ProviderLost,
    ProviderMalformed,
    ProviderTimeout,
    ProviderUnavailable,
)
from providers.refusals import MAX_ERROR_BYTES, raise_refused
from providers.response import Response

__all__ = ["Reply", "Transport"]

MAX_BODY_BYTES = 32 * 2**20
READ_BYTES = 64 * 1024
GOODBYE_S = 0.05
TOO_LATE = "The provider did not answer in time."
TOO_LONG = "The provider's answer took too long."
NOT_IN_TARGET = re.compile(r"[\x00-\x20\x7f]")


class Reply:
    """A provider's answer whose head is there: its bytes as they arrive.

    `close` ends the connection at once and may be called from any thread; a connection whose body
    was not read to its end serves nobody else.

    Args:
        connection: what it comes through.
        connections: where the connection goes back to.
        response: what was parsed so far.
        begun: the pieces of the body that came with the head.
        config: the provider's, with its limits.
        begins_s: until when the answer must have begun, by the monotonic clock.
    """

    def __init__(
        self,
        connection: Connection,
        connections: Connections,
        response: Response,
        begun: Iterator[bytes],
        config: ProviderConfig,
        begins_s: float,
    ) -> None:
        self._sock = connection.sock
        self._connection: Connection | None = connection
        self._connections = connections
        self._response = response
        self._begun = begun
        self._ends_s = time.monotonic() + config.total_timeout_s
        self._begins_s: float | None = begins_s
        self._pause_s = config.between_tokens_timeout_s
        self._limit_s: float | None = None
        self._lock = threading.Lock()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    def header(self, name: str) -> str | None:
        """A header's value; `name` in small letters."""
        return self._response.headers.get(name)

    @property
    def is_json(self) -> bool:
        """Whether the body is one JSON value by its own account, and so no events."""
        kind, _, _ = self._response.headers.get("content-type", "").partition(";")
        return kind.strip().lower() == "application/json"

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            ProviderTimeout: a pause or the whole took too long.
            ProviderBroken: the connection ended before the body did.
        """
        try:
            yield from self._begun
            while not self._response.is_complete:
                self._set_limit()
                yield from self._response.feed(self._sock.recv(READ_BYTES))
            self._let_go()
        except TimeoutError as fault:
            raise ProviderTimeout(self._what_ran_out()) from fault
        except (OSError, ValueError, AttributeError) as fault:
            # A socket closed under the reader shows as any of these.
            raise ProviderBroken("The provider's answer broke off.") from fault
        finally:
            self.close()

    def whole(self) -> bytes:
        """The whole body.

        Raises:
            ProviderTimeout, ProviderBroken: as `pieces`.
            ProviderMalformed: it is over the limit.
        """
        body = bytearray()
        for piece in self.pieces():
            self.note_beginning()
            body += piece
            if len(body) > MAX_BODY_BYTES:
                self.close()
                raise ProviderMalformed("The provider's answer is too large.")
        return bytes(body)

    def some(self, limit_bytes: int) -> bytes:
        """The body's beginning, as far as it comes; the rest is not waited for."""
        self.note_beginning()
        body = bytearray()
        with suppress(ProviderError):
            for piece in self.pieces():
                body += piece
                if len(body) >= limit_bytes:
                    break
        self.close()
        return bytes(body[:limit_bytes])

    def note_beginning(self) -> None:
        """The first token is there; until then pings do not lengthen the wait for it."""
        self._begins_s = None

    def hurry(self) -> None:
        """Wait no more: what is not there at once will not be missed."""
        self._begins_s, self._pause_s = None, GOODBYE_S

    def close(self) -> None:
        """End the connection, if the body was not read to its end."""
        connection = self._taken()
        if connection is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            with suppress(Exception):  # closing what is broken already must not hide why
                connection.close()

    def _let_go(self) -> None:
        """The body is whole: its connection may serve the next call."""
        connection = self._taken()
        if connection is None:  # our own hanging up looks like a regular end
            raise ProviderBroken("The provider's answer was stopped.")
        if self._response.is_reusable:
            self._connections.give_back(connection)
        else:
            connection.close()

    def _taken(self) -> Connection | None:
        with self._lock:
            connection, self._connection = self._connection, None
        return connection

    def _what_ran_out(self) -> str:
        now_s = time.monotonic()
        if now_s >= self._ends_s:
            return TOO_LONG
        is_late = self._begins_s is not None and now_s >= self._begins_s
        return TOO_LATE if is_late else "The provider stopped sending."

    def _set_limit(self) -> None:
        now_s = time.monotonic()
        left_s = self._ends_s - now_s
        if left_s <= 0:
            raise ProviderTimeout(TOO_LONG)
        limit_s = min(left_s, self._pause_s if self._begins_s is None else self._begins_s - now_s)
        if limit_s <= 0:
            raise ProviderTimeout(TOO_LATE)
        if limit_s != self._limit_s:  # each setting of it is a call to the system
            self._limit_s = limit_s
            self._sock.settimeout(limit_s)


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
        connection = connections.take()
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
) -> tuple[Response, Iterator[bytes]]:
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
