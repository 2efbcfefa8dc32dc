"""The HTTP client of all adapters: pooled, bounded, with time limits, without retries.

What goes wrong on the way becomes a `ProviderError` here; adapters know no sockets. A body is read
as it arrives, so that tokens that came together are handed on together.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

import msgspec
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url

from providers.chunked import ChunkedBody
from providers.protocol import (
    ProviderBroken,
    ProviderConfig,
    ProviderLost,
    ProviderMalformed,
    ProviderTimeout,
    ProviderUnavailable,
)
from providers.refusals import raise_refused

__all__ = ["Reply", "Transport"]

MAX_BODY_BYTES = 32 * 2**20
READ_BYTES = 64 * 1024
POOL_CONNECTIONS = 100
GOODBYE_S = 0.05
UNREACHABLE = "The provider could not be reached."
TOO_LATE = "The provider did not answer in time."
TOO_LONG = "The provider's answer took too long."


class Reply:
    """A provider's accepted answer: its bytes as they arrive.

    `close` ends the connection at once and may be called from any thread; a connection whose body
    was not read to its end never goes back to the pool.

    Args:
        response: what was accepted.
        config: the provider's, with its limits.
        asked_s: when it was asked, by the monotonic clock.
    """

    def __init__(
        self, response: urllib3.BaseHTTPResponse, config: ProviderConfig, asked_s: float
    ) -> None:
        self._response = response
        self._ends_s = time.monotonic() + config.total_timeout_s
        self._begins_s: float | None = asked_s + config.first_token_timeout_s
        self._pause_s = config.between_tokens_timeout_s
        self._limit_s: float | None = None
        self._is_closed = threading.Event()

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            ProviderTimeout: a pause or the whole took too long.
            ProviderBroken: the connection ended before the body did.
        """
        try:
            if self._begins_s is not None:
                self._set_limit()
            for piece in self._received():
                yield piece
                self._set_limit()
            if self._is_closed.is_set():  # our own hanging up looks like a regular end
                raise ProviderBroken("The provider's answer was stopped.")
            self._response.release_conn()
        except (ReadTimeoutError, TimeoutError) as fault:
            raise ProviderTimeout(self._what_ran_out()) from fault
        except (HTTPError, OSError, ValueError, AttributeError) as fault:
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
        self.note_beginning()
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                self.close()
                raise ProviderMalformed("The provider's answer is too large.")
        return bytes(body)

    def note_beginning(self) -> None:
        """The first token is there; until then pings do not lengthen the wait for it."""
        self._begins_s = None

    def hurry(self) -> None:
        """Wait no more: what is not there at once will not be missed."""
        self._begins_s, self._pause_s = None, GOODBYE_S

    def close(self) -> None:
        """End the connection, if the body was not read to its end."""
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        sock = _socket_of(self._response)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with suppress(Exception):  # closing what is broken already must not hide why
            self._response.close()

    def _what_ran_out(self) -> str:
        now_s = time.monotonic()
        if now_s >= self._ends_s:
            return TOO_LONG
        is_late = self._begins_s is not None and now_s >= self._begins_s
        return TOO_LATE if is_late else "The provider stopped sending."

    def _received(self) -> Iterator[bytes]:
        """The body as it arrives; a chunked one's `stream` would give one chunk at a time."""
        original = getattr(self._response, "_original_response", None)  # urllib3's own reader
        is_plain = "Content-Encoding" not in self._response.headers
        if self._response.chunked and is_plain and original is not None:
            yield from self._chunks(original)
        elif self._response.chunked:
            yield from self._response.stream(READ_BYTES, decode_content=True)
        else:
            while piece := self._response.read1(READ_BYTES, decode_content=True):
                yield piece

    def _chunks(self, original: HTTPResponse) -> Iterator[bytes]:
        """A chunked body, all chunks that have arrived at once, its end read as well."""
        body = ChunkedBody()
        while not body.is_complete:
            received = original.fp.read1(READ_BYTES)
            if not received:
                raise ValueError("the body ended before its last chunk")
            if piece := body.feed(received):
                yield piece
        original.close()  # lets go of the reader, not of the connection

    def _set_limit(self) -> None:
        now_s = time.monotonic()
        left_s = self._ends_s - now_s
        if left_s <= 0:
            raise ProviderTimeout(TOO_LONG)
        limit_s = min(left_s, self._pause_s if self._begins_s is None else self._begins_s - now_s)
        if limit_s <= 0:
            raise ProviderTimeout(TOO_LATE)
        if limit_s == self._limit_s:  # each setting of it is a call to the system
            return
        self._limit_s = limit_s
        sock = _socket_of(self._response)
        if sock is not None:
            with suppress(OSError):
                sock.settimeout(limit_s)


def _socket_of(response: urllib3.BaseHTTPResponse) -> Any:
    """The socket that the body comes through; none once its connection is back in the pool."""
    connection = getattr(response, "_connection", None)
    if connection is None or connection.sock is not None:
        return getattr(connection, "sock", None)
    # Where the server will close, the connection has let go of the socket, but not the response.
    return getattr(getattr(response, "_sock_shutdown", None), "__self__", None)


class Transport:
    """Speaks HTTP to one provider."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._manager = urllib3.PoolManager(num_pools=2, maxsize=POOL_CONNECTIONS, block=False)
        self._pool: tuple[urllib3.HTTPConnectionPool, str] | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str],
    ) -> Reply:
        """Send one request; returns once the provider has accepted it.

        Args:
            method: the HTTP method.
            path: behind the provider's base URL, beginning with a slash.
            body: sent as JSON.
            headers: with the credentials; the provider's own are added.

        Raises:
            ProviderError: it was not accepted, in the kind that says why.
        """
        config, asked_s = self._config, time.monotonic()
        limits = urllib3.Timeout(
            connect=config.connect_timeout_s, read=config.first_token_timeout_s
        )
        try:
            pool, base_path = self._pool or self._connected()
            response = pool.urlopen(
                method,
                base_path + path,
                body=None if body is None else msgspec.json.encode(body),
                headers={**headers, **dict(config.headers)},
                timeout=limits,
                preload_content=False,
                redirect=False,
                retries=False,
                assert_same_host=False,
            )
        except NewConnectionError as fault:  # refused, no such host: a time-out only by its base
            raise ProviderUnavailable(UNREACHABLE, was_sent=False) from fault
        except ConnectTimeoutError as fault:
            raise ProviderTimeout(
                "The provider could not be reached in time.", was_sent=False
            ) from fault
        except (ReadTimeoutError, TimeoutError) as fault:
            raise ProviderTimeout(TOO_LATE) from fault
        except LocationValueError as fault:
            raise ProviderUnavailable(
                "The provider's base URL is not valid.", was_sent=False
            ) from fault
        except (SSLError, ProxyError) as fault:
            raise ProviderUnavailable(UNREACHABLE, was_sent=False) from fault
        except (HTTPError, OSError) as fault:  # lost on the way: it may have arrived
            raise ProviderLost(UNREACHABLE) from fault
        if response.status != 200:  # noqa: PLR2004 (accepted means 200 and nothing else)
            raise_refused(response, config.api_key)
        return Reply(response, config, asked_s)

    def close(self) -> None:
        """Close the pooled connections that are idle."""
        self._pool = None  # who still sends through it may do so; then it is collected
        self._manager.clear()

    def _connected(self) -> tuple[urllib3.HTTPConnectionPool, str]:
        """The pool of the one host, and the path of the base URL: found once, not for each call.

        Raises:
            LocationValueError: it is no address.
        """
        base_url = self._config.base_url
        pool = self._manager.connection_from_url(base_url)
        self._pool = pool, (parse_url(base_url).path or "").rstrip("/")
        return self._pool
