"""What sends a response, as gunicorn's does, and notes on which thread."""

import socket
import threading
from typing import Any

__all__ = ["NotingSender"]


class NotingSender:
    """Sends pieces as they are; `headers` is what the response has."""

    def __init__(self, sock: socket.socket, content_type: str = "text/event-stream") -> None:
        self.sock: Any = sock
        self.threads: list[threading.Thread] = []
        self.headers = [("Content-Type", content_type)]

    def start_response(self, status: str, headers: list[tuple[str, str]]) -> None:
        """As PEP 3333 has it; `headers` are the sender's own."""

    def write(self, arg: bytes, /) -> None:
        """Send a piece."""
        self.threads.append(threading.current_thread())
        self.sock.sendall(arg)
