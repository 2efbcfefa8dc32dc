"""A server that sends what a test writes down, byte for byte, over real sockets on loopback."""

import re
import select
import socketserver
import threading
from collections.abc import Sequence

__all__ = ["HOLD", "WireServer", "head", "whole"]

HOLD = None
"""A step of a reply: say nothing until the client hangs up or the test is over."""

LOOK_S = 0.01
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")

Step = bytes | float | None


def head(status: str = "200 OK", *headers: str) -> bytes:
    """A status line with its headers; the body that follows ends with the connection."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A reply of known length, after which the connection stays open."""
    return head(status, f"Content-Length: {len(body)}", *headers) + body


class _Handler(socketserver.BaseRequestHandler):
    server: "WireServer"

    def handle(self) -> None:
        """Answer request after request."""
        self.server.connections += 1
        asked = self._request()
        while asked:
            self.server.requests.append(asked)
            if not self._reply():
                return
            asked = self._request()

    def _request(self) -> bytes:
        raw = b""
        while b"\r\n\r\n" not in raw or len(raw) < _whole_length(raw):
            if not self._is_readable():
                return b""
            more: bytes = self.request.recv(65536)
            if not more:
                return b""
            raw += more
        return raw

    def _is_readable(self) -> bool:
        while not self.server.ended.is_set():
            if select.select([self.request], [], [], LOOK_S)[0]:
                return True
        return False

    def _reply(self) -> bool:
        """Send the next reply; whether the connection stays open."""
        steps = self.server.next_reply()
        try:
            for step in steps:
                if isinstance(step, bytes):
                    self.request.sendall(step)
                elif step is not None:
                    self.server.ended.wait(step)
                elif not self._is_readable() or not self.request.recv(1):
                    self.server.hung_up.set()
                    return False
        except OSError:
            self.server.hung_up.set()
            return False
        return len(steps) == 1


def _whole_length(raw: bytes) -> int:
    top, _, _ = raw.partition(b"\r\n\r\n")
    found = LENGTH.search(top)
    return len(top) + 4 + (int(found[1]) if found else 0)


class WireServer(socketserver.ThreadingTCPServer):
    """One reply after the other; the last one is repeated.

    A reply is a list of steps: bytes to send, seconds to pause, or `HOLD`. A reply of one step
    leaves the connection open, any other closes it at its end.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = threading.Event()
        self.hung_up = threading.Event()
        self._replies: list[Sequence[Step]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL that clients are given."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def replies(self, *replies: Sequence[Step]) -> "WireServer":
        """What it is to answer from now on."""
        self._replies = list(replies)
        return self

    def next_reply(self) -> Sequence[Step]:
        """The reply whose turn it is."""
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def close(self) -> None:
        """End it with all that it holds."""
        self.ended.set()
        self.shutdown()
        self.server_close()
