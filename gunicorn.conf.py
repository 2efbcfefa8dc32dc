"""How gunicorn serves Larder. Its values come from the environment (`docs/configuration.md`).

The master never imports the application: what is done once at a start (the first admin, the
declared providers) runs in a process of its own, so that workers begin clean and may patch
themselves.
"""

import gc
import json
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http import wsgi


def _value(variable: str, default: str) -> str:
    """What the environment says; an empty value is none, as in `config.py`."""
    return os.environ.get(variable) or default


_faults: list[str] = []


def _number(variable: str, default: int, low: int, high: int, kind: type = int) -> Any:
    """What the environment says, if it is such a number; else a fault is noted."""
    try:
        number = kind(_value(variable, str(default)))
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        what = "a whole number" if kind is int else "seconds"
        _faults.append(f"{variable} must be {what} from {low} to {high}")
        return default
    return number


def _one_of(variable: str, *allowed: str) -> str:
    """What the environment says, the first by default, if it is allowed; else a fault is noted."""
    word = _value(variable, allowed[0])
    if word not in allowed:
        _faults.append(f"{variable} must be one of {', '.join(allowed)}")
    return word


STATISTICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
GRACE_S = _number("SHUTDOWN_GRACE", 25, 0, 3600, float)
SETTLE_S = 5
START_S = 60
"""How long a new worker may take before the old ones go all the same."""
ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
LAST_WAIT_S = 0.5
"""For a request on a connection that waits for one, or comes, when the end has begun."""
LAST_REQUESTS_S = 1.6
"""How long a worker that was told to go may still be handed requests: a gevent worker looks once a
second whether it is to close its listener, and a client has `LAST_WAIT_S` to say what it wants."""
REFERER = "HTTP_REFERER"
JOINED_BYTES = 64 * 1024
"""Of a larger first piece no copy is made."""
COLLECTOR = (5000, 20, 20)
"""After how many new objects, and passes over the young and the middle-aged, garbage is sought."""

_host = _value("HOST", "0.0.0.0")  # noqa: S104
_host = f"[{_host}]" if _host.count(":") > 1 and not _host.startswith("[") else _host  # IPv6
bind = f"{_host}:{_number('PORT', 8000, 0, 65535)}"
workers = _number("WEB_CONCURRENCY", multiprocessing.cpu_count(), 1, 1000)
worker_class = _one_of("LARDER_WORKER_CLASS", "gevent", "gthread")
worker_connections = 2000
threads = _number("LARDER_THREADS", 64, 1, 10_000)
keepalive = 75
timeout = 60
graceful_timeout = int(GRACE_S + SETTLE_S)
max_requests = _number("LARDER_MAX_REQUESTS", 0, 0, 10**9)
max_requests_jitter = max_requests // 10
limit_request_line = 8190
limit_request_fields = 100
accesslog = os.environ.get("ACCESS_LOG") or None
errorlog = "-"
loglevel = _value("LOG_LEVEL", "info")
wsgi_app = "wsgi:app"
preload_app = False
control_socket_disable = True


class JsonLine(logging.Formatter):
    """A line of gunicorn's in the form of Larder's own, tracebacks within it."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        line = {"pid": record.process, "event": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({**line, "level": record.levelname.lower(), "timestamp": at})


class QuietLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logs, but for what stands behind a `?`: tickets, and what people look for."""

    def setup(self, cfg: Any) -> None:
        """Give the lines the form that `LOG_FORMAT` asks for, as `telemetry/logs.py` does."""
        super().setup(cfg)
        style = _value("LOG_FORMAT", "auto")
        if style == "json" or (style == "auto" and not sys.stderr.isatty()):
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonLine())

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        """What a line of the access log is made of."""
        bare = {name: environ.get(name, "-").partition("?")[0] for name in ("RAW_URI", REFERER)}
        return super().atoms(resp, req, environ | bare | {"QUERY_STRING": ""}, request_time)


logger_class = QuietLog

if _faults:
    sys.exit("Larder cannot start: " + "; ".join(_faults))


def on_starting(server: Any) -> None:
    """Before the first worker: a place for shared counters, and the installation made ready."""
    server.larder_last_age = 0
    server.manage_workers = partial(manage_workers, server, server.manage_workers)
    if not os.environ.get(STATISTICS_DIR):
        folder = tempfile.mkdtemp(prefix="larder-statistics-")
        os.environ[STATISTICS_DIR] = server.larder_folder = folder
    done = subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "prepare"], check=False)
    if done.returncode:
        server.log.error("Larder is not ready to start: see above.")
        on_exit(server)
        sys.exit(done.returncode)


def manage_workers(server: Any, manage: Callable[[], None]) -> None:
    """Leave old workers at their work until those that are to follow them serve.

    At a reload gunicorn would end them at once, and all would wait for the start. An end need not.
    """
    deadline_s = time.monotonic() + START_S
    while len(new := _followers(server)) < len(server.WORKERS) and time.monotonic() < deadline_s:
        if sum(map(_serves, new)) >= server.num_workers or _is_to_end(server):
            break
        if len(new) < server.num_workers:
            server.spawn_worker()  # for one that died: an old one would stay in its place
        server.reap_workers()
        time.sleep(0.1)
    manage()


def on_reload(server: Any) -> None:
    """Note which workers are to be followed: all that there are."""
    server.larder_last_age = server.worker_age


def _followers(server: Any) -> list[Any]:
    return [each for each in server.WORKERS.values() if each.age > server.larder_last_age]


def _serves(worker: Any) -> bool:
    return os.fstat(worker.tmp.fileno()).st_size > 0


def _is_to_end(server: Any) -> bool:
    """Whether a signal that ends the server is among those that wait; all are left there."""
    waiting = [server.SIG_QUEUE.get_nowait() for _ in range(server.SIG_QUEUE.qsize())]
    for number in waiting:
        server.SIG_QUEUE.put_nowait(number)
    return not ENDS.isdisjoint(waiting)


def when_ready(server: Any) -> None:
    """Say where it is."""
    server.log.info("Larder serves on http://%s", bind.replace("0.0.0.0", "localhost"))  # noqa: S104


class IdleConnections:
    """Connections of a gevent worker that wait for a next request: an end does not wait for them.

    gunicorn itself would wait the whole grace time for a proxy that keeps its connections open.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._usual = worker.timeout_ctx
        self._waiting: dict[Any, Any] = {}

    @contextmanager
    def wait(self) -> Iterator[None]:
        """In place of the worker's `timeout_ctx`, around the wait for a request."""
        import gevent  # noqa: PLC0415 (patched by the worker, unknown to the master)

        me = gevent.getcurrent()
        with self._usual() if self._worker.alive else gevent.Timeout(LAST_WAIT_S, False) as limit:
            self._waiting[me] = limit
            try:
                yield
            finally:
                del self._waiting[me]

    def end(self) -> None:
        """Have all of them time out, those to which no request is on its way."""
        import gevent  # noqa: PLC0415 (likewise)

        gevent.spawn_later(LAST_WAIT_S, self._end_now, list(self._waiting.items()))

    def _end_now(self, waiting: list[tuple[Any, Any]]) -> None:
        import gevent  # noqa: PLC0415 (likewise)

        for greenlet, limit in waiting:
            gevent.get_hub().loop.run_callback(self._time_out, greenlet, limit)

    def _time_out(self, greenlet: Any, limit: Any) -> None:
        if self._waiting.get(greenlet) is limit:  # a request may have come meanwhile
            greenlet.throw(limit)


class _Pieces(list[bytes]):
    """Stands in for a socket: keeps what it is to send."""

    sendall = list.append


class JoinedResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends an answer's head along with the first piece of its body, where gunicorn sends twice.

    The client would wake, and a packet go, for the head alone. The further pieces of a stream, a
    token each, are sent without gunicorn's way through seven functions.
    """

    sock: Any
    sent: int

    def write(self, arg: bytes) -> None:
        """Send the next piece of the body."""
        size = len(arg)
        if not 0 < size <= JOINED_BYTES:
            super().write(arg)
        elif self.headers_sent and self.chunked:
            self.sent += size
            _send(self.sock, b"%X\r\n%b\r\n" % (size, arg))
        else:
            self._write_joined(arg)

    def _write_joined(self, arg: bytes) -> None:
        sock = self.sock
        self.sock = pieces = _Pieces()
        try:
            super().write(arg)
        finally:
            self.sock = sock
        _send(sock, b"".join(pieces))


def _send(sock: Any, piece: bytes) -> None:
    """As `sendall`, which under gevent asks the system for the buffer's size before each piece."""
    sent = sock.send(piece)
    if sent < len(piece):
        sock.sendall(piece[sent:])


_lingering = threading.BoundedSemaphore(64)


def close_beside(sock: Any) -> None:
    """Close a connection as gunicorn does, for as long as its client takes, on a thread beside.

    gunicorn waits for the client to close as well, two seconds at most, on the one thread that
    accepts connections: a few clients that do not would stop the worker.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # an answer failed: the main thread closes it next, and counts wrong if it is closed
    if not _lingering.acquire(blocking=False):
        util.close(sock)  # of so many at once nobody waits for another
        return
    try:
        # No daemon: the process ends when its last clients have their answers.
        threading.Thread(target=_linger, args=(sock, _close_graceful)).start()
    except RuntimeError:  # no thread can be had
        _lingering.release()
        util.close(sock)


def _linger(sock: Any, close: Any) -> None:
    try:
        close(sock)
    finally:
        _lingering.release()


_close_graceful = util.close_graceful


def write_refusal(sock: Any, status: int, reason: str, detail: str) -> None:
    """Answer what gunicorn itself refuses, before any application sees it, as Larder answers.

    RFC 9457, in place of gunicorn's page for people.
    """
    request_id = str(uuid.uuid4())
    code = "malformed" if status < 500 else "internal_error"  # noqa: PLR2004 (a status class)
    problem = {
        "type": f"urn:larder:problem:{code}",
        "title": reason,
        "status": status,
        "detail": detail[:200] or reason,
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(problem)
    head = [
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
    ]
    util.write_nonblock(sock, "\r\n".join([*head, "", body]).encode("latin-1"))


def post_worker_init(worker: Any) -> None:
    """In each worker: warm what is asked for, and watch for the end."""
    app = worker.wsgi
    wsgi.Response, util.write_error = JoinedResponse, write_refusal
    if worker_class == "gthread":
        from streams.relaying import relayed  # noqa: PLC0415 (the master imports none of it)

        util.close_graceful = close_beside
        worker.wsgi = relayed(app)
    if hasattr(worker, "timeout_ctx"):
        worker.larder_idle = IdleConnections(worker)
        worker.timeout_ctx = worker.larder_idle.wait
    app.extensions["larder_serving"]()
    _calm_collector()
    worker.larder_served = threading.Event()
    watch = threading.Thread(target=_end_streams, args=(worker, app), daemon=True)
    worker.larder_watch = watch
    watch.start()
    os.write(worker.tmp.fileno(), b"1")  # which the master shares, and looks at: this one serves


def _calm_collector() -> None:
    """Have the garbage collector leave alone what was loaded at the start, and come less often.

    A call makes thousands of objects and leaves hardly a cycle: looking for them took an eighth of
    a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)


def _end_streams(worker: Any, app: Any) -> None:
    """End the streams when the worker was told to go, beside gunicorn's own draining.

    What is asked in the last moment is answered; then no stream begins any more.
    """
    while worker.alive:
        time.sleep(0.1)
    if hasattr(worker, "larder_idle"):
        worker.larder_idle.end()
    last_s = min(LAST_REQUESTS_S, GRACE_S)
    worker.larder_served.wait(last_s)
    app.extensions["larder_shutdown"](GRACE_S - last_s)


def worker_exit(server: Any, worker: Any) -> None:
    """Let the streams be finished or booked before the process ends."""
    del server
    watch = getattr(worker, "larder_watch", None)
    if watch is not None:
        worker.alive = False
        worker.larder_served.set()
        watch.join(GRACE_S + SETTLE_S)


def on_exit(server: Any) -> None:
    """Take the shared counters away; their sums are in the database by now."""
    folder = getattr(server, "larder_folder", None)  # of the server: a reload runs this file anew
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
