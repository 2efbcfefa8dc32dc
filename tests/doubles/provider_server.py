"""What the doubles of providers are: servers on loopback, in a thread or a process of their own."""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["ProviderHandler", "ProviderServer", "serve"]


class ProviderHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's own name)
        """Say nothing."""

    def answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(raw)


class ProviderServer(ThreadingHTTPServer):
    """A server of one provider's API; it keeps the requests that it got."""

    daemon_threads = True
    request_queue_size = 256
    handler: type[ProviderHandler]
    path = ""
    """What its base URL ends with."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), self.handler)
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """The base URL that clients are given."""
        return f"http://127.0.0.1:{self.server_port}{self.path}"

    def start(self) -> Self:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()


def serve(server: type[ProviderServer]) -> None:
    """Serve until told to go; `--port` says where, and the address is printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    served = server(parser.parse_args().port)
    print(served.url, flush=True)  # noqa: T201 (its caller reads the address)
    served.serve_forever()
