"""A provider's answer as it arrives: its body piece by piece, within its time limits.

What came together is handed on together, which is what makes a burst of tokens cheap.
"""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from math import inf

from providers.connections import Connection, Connections
from providers.protocol import (
    ProviderBroken,
    ProviderConfig,
    ProviderError,
    ProviderMalformed,
    ProviderTimeout,
)
from providers.receiving import receiver_of
from providers.response import Response

__all__ = ["TOO_LATE", "Reply"]

MAX_BODY_BYTES = 32 * 2**20
GOODBYE_S = 0.05
TOO_LATE = "The provider did not answer in time."
TOO_LONG = "The provider's answer took too long."


class Reply:
    """A provider's answer whose head is there: its bytes as they arrive.

    `close` ends the connection at once and may be called from any thread; a connection whose body
    was not read to its end serves nobody else.

    Args:
        connection: what it comes through.
        connections: where the connection goes back to.
        response: what was parsed so far.
        begun: the pieces of the body that came with the head.
        config: the provider's, with its limits and its `silence_s`.
        begins_s: until when the answer must have begun, by the monotonic clock.
    """

    def __init__(
        self,
        connection: Connection,
        connections: Connections,
        response: Response,
        begun: Iterable[bytes],
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
        self._silence_s = config.silence_s
        self._receiver = receiver_of(self._sock)
        self._lock = threading.Lock()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    def header(self, name: str) -> str | None:
        """A header's value; `name` in small letters."""
        return self._response.headers.get(name)

    def pieces(self, *, says_silence: bool = False) -> Iterator[bytes]:
        """The body, piece by piece.

        Args:
            says_silence: give an empty piece where nothing has come for the provider's `silence_s`.

        Raises:
            ProviderTimeout: a pause or the whole took too long.
            ProviderBroken: the connection ended before the body did.
        """
        receiver = self._receiver
        try:
            yield from self._begun
            silence_s = self._silence_s if says_silence else inf
            quiet_s = 0.0
            while not self._response.is_complete:
                left_s = self._left_s(quiet_s)
                try:
                    received = receiver.receive(min(left_s, silence_s))
                except TimeoutError:
                    if left_s <= silence_s:
                        raise
                    quiet_s += silence_s
                    yield b""
                else:
                    quiet_s = 0.0
                    yield from self._response.feed(received)
            self._let_go()
        except TimeoutError as fault:
            raise ProviderTimeout(self._what_ran_out()) from fault
        except (OSError, ValueError, AttributeError) as fault:
            # A socket closed under the reader shows as any of these.
            raise ProviderBroken("The provider's answer broke off.") from fault
        finally:
            receiver.close()
            self.close()

    def whole(self, pieces: Iterator[bytes] | None = None) -> bytes:
        """The whole body, of these `pieces` where it is being read already.

        Raises:
            ProviderTimeout, ProviderBroken: as `pieces`.
            ProviderMalformed: it is over the limit.
        """
        body = bytearray()
        for piece in pieces or self.pieces():
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
            self._receiver.hang_up(partial(_close, connection))

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

    def _left_s(self, quiet_s: float) -> float:
        """How long the next piece may take, after `quiet_s` without one.

        Raises:
            ProviderTimeout: no longer.
        """
        now_s = time.monotonic()
        left_s = self._ends_s - now_s
        if left_s <= 0:
            raise ProviderTimeout(TOO_LONG)
        pause_s = self._pause_s - quiet_s if self._begins_s is None else self._begins_s - now_s
        if pause_s <= 0:
            raise ProviderTimeout(self._what_ran_out())
        return min(left_s, pause_s)


def _close(connection: Connection) -> None:
    with suppress(Exception):  # closing what is broken already must not hide why
        connection.close()
