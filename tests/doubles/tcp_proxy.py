"""A wire with a will: between a client and a real server it delays, trickles, cuts, resets."""

import select
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["TcpProxy", "Wire"]

CHUNK_BYTES = 65536
LOOK_S = 0.05
RESET = struct.pack("ii", 1, 0)
"""With this SO_LINGER a close is a reset."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How replies travel. Times are seconds.

    Attributes:
        delay_s: before each part of a reply.
        piece_bytes: how much goes at once, `delay_s` apart; `None`: all that there is.
        cut_after: bytes of a reply after which the connection ends.
        resets: whether it ends by a reset; else by a close.
    """

    delay_s: float = 0.0
    piece_bytes: int | None = None
    cut_after: int | None = None
    resets: bool = False


class TcpProxy:
    """Stands before the server on `target_port`; `wire` may change while connections are open."""

    def __init__(self, target_port: int) -> None:
        self.wire = Wire()
        self._target_port = target_port
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._lost: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._serve()

    def refuse(self) -> None:
        """End all connections and take no more."""
        _end(self._listener)  # else whoever waits for a connection would keep it open
        self._listener.close()
        self._close_all()

    def cut(self) -> None:
        """End all connections; the next ones are taken."""
        self._close_all()

    def lose(self) -> None:
        """Answer nothing on the connections that are open, as a machine that is gone."""
        self._lost |= self._open

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self._serve()

    def close(self) -> None:
        """End it with all that it holds."""
        self._ended.set()
        self.refuse()

    def _serve(self) -> None:
        self._listener.settimeout(LOOK_S)
        threading.Thread(target=self._accept_all, args=(self._listener,), daemon=True).start()

    def _accept_all(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target_port))
            with server:
                self._open |= {client, server}
                while self._pass_on(client, server):
                    pass
                self._open -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what has come from either side; whether the connection goes on."""
        ready, _, _ = select.select([client, server], [], [])
        if client in self._lost:
            return all(each.recv(CHUNK_BYTES) for each in ready)
        if client in ready:
            request = client.recv(CHUNK_BYTES)
            server.sendall(request)
            if not request:
                return False
        if server not in ready:
            return True
        reply = server.recv(CHUNK_BYTES)
        return bool(reply) and self._send_back(reply, client)

    def _send_back(self, reply: bytes, client: socket.socket) -> bool:
        wire = self.wire
        if wire.cut_after is not None:
            client.sendall(reply[: wire.cut_after])
            if wire.resets:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return False
        size = wire.piece_bytes or len(reply)
        for start in range(0, len(reply), size):
            if wire.delay_s:
                self._ended.wait(wire.delay_s)
            client.sendall(reply[start : start + size])
        return True

    def _close_all(self) -> None:
        for each in tuple(self._open):
            _end(each)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
