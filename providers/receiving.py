"""How the next bytes of an answer are waited for: by a thread, by a greenlet, in the event loop.

Tokens come one by one, and each is waited for. A socket with a time-out asks the system twice for
it; one of gevent's asks in vain first, then makes a time-out for the one wait: half of what
receiving a token took.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Protocol

from providers.event_loop import is_here, receptions

__all__ = [
    "READ_BYTES",
    "GreenletReceiver",
    "KernelReceiver",
    "Receiver",
    "ThreadReceiver",
    "receiver_of",
]

READ_BYTES = 64 * 1024
SHORTEST_S = 0.001
"""For the system, no time means for ever."""
CLOSED = "the socket was closed"


class Receiver(Protocol):
    """Takes what comes through one socket."""

    def receive(self, within_s: float) -> bytes:
        """The next bytes, as soon as there are any; none where the other end has hung up.

        Raises:
            TimeoutError: none came within so many seconds.
            OSError, ValueError, AttributeError: the socket was closed, or is broken.
        """
        ...

    def hang_up(self, close: Callable[[], None]) -> None:
        """Nobody is to wait for the socket any more; it is closed, by `close`, once nobody does.

        May be called from any thread; the connection was shut down.
        """
        ...

    def close(self) -> None:
        """Nothing more is to be received; the socket is left as it is."""
        ...


def receiver_of(sock: Any) -> Receiver:
    """The one that suits the socket."""
    if hasattr(sock, "_read_event"):
        return GreenletReceiver(sock)
    # Exactly this: TLS would ask the system again when the time is over.
    return KernelReceiver(sock) if type(sock) is socket.socket else ThreadReceiver(sock)


class ThreadReceiver:
    """Waits with Python's time-out: it asks when something is there, then takes it.

    Where the thread's stream has gone on in the event loop (`providers.event_loop`) it is waited
    for there.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._limit_s: float | None = None
        self._in_loop: LoopReceiver | None = None
        self._turn = threading.Lock()
        self._close: Callable[[], None] | None = None

    def receive(self, within_s: float) -> bytes:
        """As `Receiver` has it."""
        if not self._turn.acquire(blocking=False):
            raise OSError(CLOSED)
        try:
            if is_here():
                return self._loop_receiver().receive(within_s)
            receptions.has_come = True
            if within_s != self._limit_s:  # each setting of it is a call to the system
                self._limit_s = within_s
                self._limit(within_s)
            return self._received()
        finally:
            self._turn.release()
            if self._close is not None:
                self._close_unused()

    def hang_up(self, close: Callable[[], None]) -> None:
        """As `Receiver` has it: a thread has been woken by the end of the connection.

        It closes the socket itself then, or would look at a number that is another's by now: TLS
        keeps the number, and libev ends the process if what it is to watch is closed.
        """
        self._close = close
        if self._in_loop is not None:
            self._in_loop.wake()
        self._close_unused()

    def close(self) -> None:
        """As `Receiver` has it."""
        if self._in_loop is not None:
            self._in_loop.close()

    def _close_unused(self) -> None:
        """Close the socket, unless it is waited for or was closed; nobody has a turn after it."""
        if self._close is not None and self._turn.acquire(blocking=False):
            self._close()

    def _loop_receiver(self) -> "LoopReceiver":
        self._limit_s = None  # the loop sets its own
        if self._in_loop is None:
            self._in_loop = LoopReceiver(self._sock)
        if self._close is not None:  # asked last: who hangs up from now on finds whom to wake
            raise OSError(CLOSED)
        return self._in_loop

    def _limit(self, within_s: float) -> None:
        self._sock.settimeout(within_s)

    def _received(self) -> bytes:
        received: bytes = self._sock.recv(READ_BYTES)
        return received


class KernelReceiver(ThreadReceiver):
    """Waits with the system's time-out: it takes what comes, and waits for the interpreter once."""

    def _received(self) -> bytes:
        try:
            return super()._received()
        except BlockingIOError as fault:
            raise TimeoutError("timed out") from fault

    def _limit(self, within_s: float) -> None:
        self._sock.settimeout(None)
        seconds, rest_s = divmod(max(within_s, SHORTEST_S), 1)
        limit = struct.pack("ll", int(seconds), int(rest_s * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


class GreenletReceiver:
    """Waits for a socket of gevent's to be readable, with one alarm for the whole answer.

    The alarm is not set anew for each wait: when it rings for one that is over it is set for the
    one that is under way.

    https://www.gevent.org/api/gevent.socket.html#gevent.socket.wait
    """

    def __init__(self, sock: Any) -> None:
        from gevent import get_hub, getcurrent  # noqa: PLC0415 (only where it serves)
        from gevent.socket import wait  # noqa: PLC0415 (likewise)

        sock.settimeout(None)
        self._sock = sock
        self._pending = getattr(sock, "pending", _none_pending)
        self._wait, self._current, self._loop = wait, getcurrent, get_hub().loop
        self._alarm: Any = None
        self._rings_s = inf
        self._until_s = inf
        self._waiting: Any = None

    def receive(self, within_s: float) -> bytes:
        """As `Receiver` has it."""
        self._until_s = time.monotonic() + within_s
        if self._until_s < self._rings_s:
            self._set_alarm(within_s)
        self._waiting = self._current()
        try:
            return self._received()
        finally:
            self._waiting = None

    def hang_up(self, close: Callable[[], None]) -> None:
        """As `Receiver` has it: gevent's sockets see to that."""
        close()

    def close(self) -> None:
        """As `Receiver` has it."""
        if self._alarm is not None:
            self._alarm.close()

    def _received(self) -> bytes:
        if not self._pending():
            # Its own watcher, which goes with the socket: one of ours would wait for ever.
            self._wait(self._sock._read_event)  # noqa: SLF001
        received: bytes = self._sock.recv(READ_BYTES)
        return received

    def _set_alarm(self, within_s: float) -> None:
        if self._alarm is not None:
            self._alarm.close()
        self._rings_s = self._until_s
        self._alarm = self._loop.timer(within_s)
        self._alarm.start(self._ring)

    def _ring(self) -> None:
        """Called by the event loop, while no greenlet runs."""
        self._rings_s = inf
        left_s = self._until_s - time.monotonic()
        if self._waiting is None:
            return
        if left_s > 0:
            self._set_alarm(left_s)
        else:
            self._waiting.throw(TimeoutError("timed out"))


class LoopReceiver(GreenletReceiver):
    """Waits in the event loop for a plain socket, or one of TLS, that a thread had before."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._readable = self._loop.io(sock.fileno(), 1)
        self._is_plain = type(sock) is socket.socket

    def wake(self) -> None:
        """Have nobody wait any more, in any thread."""
        self._loop.run_callback_threadsafe(self._wake)

    def close(self) -> None:
        """As `Receiver` has it: what the loop watches is the loop's to let go."""
        self._loop.run_callback_threadsafe(self._let_go)

    def _received(self) -> bytes:
        while True:
            if not self._pending():
                self._wait(self._readable)
            with suppress(BlockingIOError, ssl.SSLWantReadError):  # a part of a record, say
                return self._taken()

    def _taken(self) -> bytes:
        received: bytes
        if self._is_plain:
            received = self._sock.recv(READ_BYTES, socket.MSG_DONTWAIT)
        else:  # TLS has no such flag
            if self._sock.gettimeout() != 0:  # each setting of it is a call to the system
                self._sock.settimeout(0)
            received = self._sock.recv(READ_BYTES)
        return received

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.throw(OSError(CLOSED))

    def _let_go(self) -> None:
        super().close()
        self._readable.close()


def _none_pending() -> int:
    """A socket without TLS holds nothing back."""
    return 0
