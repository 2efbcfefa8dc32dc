"""What the doubles of providers are: servers on loopback, in a thread or a process of their own."""

import argparse
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["ProviderServer", "serve"]


class ProviderServer(ThreadingHTTPServer):
    """A server of one provider's API; it keeps the requests that it got."""

    daemon_threads = True
    request_queue_size = 256
    handler: type[BaseHTTPRequestHandler]
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
