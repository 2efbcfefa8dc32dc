"""A load generator that costs little: keep-alive on raw sockets, in a process of its own.

`python -m benchmarks.load` reads one order a line from standard input, as JSON, and answers each
with one line: how many requests were answered, in what time, with what latencies.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Load", "Order", "Taken", "load_process"]

ROOT = Path(__file__).resolve().parent.parent
LENGTH = b"content-length:"
RECEIVE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: GETs of `path` over `connections` at once, for `seconds`."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it; latencies in seconds."""

    requests: int
    seconds: float
    p50_s: float
    p99_s: float

    @property
    def per_second(self) -> float:
        """The throughput."""
        return self.requests / self.seconds


class _Connection:
    """One connection that always has one request under way."""

    def __init__(self, order: Order, raw: bytes) -> None:
        self._raw = raw
        self._socket = socket.create_connection(("127.0.0.1", order.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._wanted = 0
        self._began_s = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self) -> None:
        self._received.clear()
        self._wanted = 0
        self._began_s = time.perf_counter()
        self._socket.sendall(self._raw)

    def receive(self) -> float | None:
        """Read what is there: the latency once the answer is whole."""
        raw = self._socket.recv(RECEIVE_BYTES)
        assert raw, "the server closed the connection"
        self._received += raw
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(self._received[:end])
            assert head.startswith(b"HTTP/1.1 200"), head[:300]
            _, _, rest = head.lower().partition(LENGTH)
            self._wanted = end + 4 + int(rest.split(b"\r\n", 1)[0])
        if len(self._received) < self._wanted:
            return None
        return time.perf_counter() - self._began_s

    def close(self) -> None:
        self._socket.close()


def run(order: Order) -> Taken:
    """Carry out one order in this process."""
    lines = [f"GET {order.path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in order.headers]
    raw = ("\r\n".join(lines) + "\r\n\r\n").encode()
    connections = [_Connection(order, raw) for _ in range(order.connections)]
    selector = selectors.EpollSelector()
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ)
        connection.send()
    latencies: list[float] = []
    began_s = now_s = time.perf_counter()
    while now_s < began_s + order.seconds:
        for key, _ in selector.select():
            connection = key.fileobj  # type: ignore[assignment]  # what was registered
            latency_s = connection.receive()
            if latency_s is not None:
                latencies.append(latency_s)
                connection.send()
        now_s = time.perf_counter()
    for connection in connections:
        connection.close()
    selector.close()
    ranked = sorted(latencies)
    return Taken(
        len(ranked), now_s - began_s, ranked[len(ranked) // 2], ranked[len(ranked) * 99 // 100]
    )


class Load:
    """The generator's process, as the one that gives orders sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, order: Order) -> Taken:
        """Carry out one order and return what came of it."""
        streams = self._process.stdin, self._process.stdout
        assert streams[0] is not None
        assert streams[1] is not None
        streams[0].write(json.dumps(asdict(order)) + "\n")
        streams[0].flush()
        answer = streams[1].readline()
        assert answer, "the load generator ended"
        return Taken(**json.loads(answer))


@contextmanager
def load_process() -> Iterator[Load]:
    """A load generator that is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Load(process)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Carry out orders until standard input ends."""
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        given["headers"] = tuple(tuple(each) for each in given["headers"])
        print(json.dumps(asdict(run(Order(**given)))), flush=True)


if __name__ == "__main__":
    main()
