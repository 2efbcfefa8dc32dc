"""An HTTP proxy that knows CONNECT alone: it notes what it was asked, and tunnels or refuses."""

import socket
import socketserver
import threading
from contextlib import suppress

__all__ = ["ConnectProxy"]


class _Handler(socketserver.BaseRequestHandler):
    server: "ConnectProxy"

    def handle(self) -> None:
        """Read the head of a request; tunnel, or say no."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.request.recv(65536)
            if not more:
                return
            head += more
        self.server.asked.append(head.decode("latin-1"))
        if self.server.refusal is not None:
            self.request.sendall(f"HTTP/1.1 {self.server.refusal}\r\n\r\n".encode())
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as target:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, self.request), daemon=True)
            back.start()
            _pump(self.request, target)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Serves on a free port of the loopback address until it is closed.

    Attributes:
        asked: the heads of the requests, as they came.
        refusal: the status that it refuses with, such as `403 Forbidden`; `None`: it tunnels.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.refusal: str | None = None
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()
