"""How gunicorn is told to serve: its values, and what is done when workers begin and end."""

import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import gevent
import gevent.event
import pytest
from gunicorn import util
from gunicorn.http import wsgi

from config import Settings
from tests.doubles.gunicorn_server import GunicornServer
from tests.streams.scripts import wait_until

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "gunicorn.conf.py"
SHOW = f"""
import json, runpy
conf = runpy.run_path({str(FILE)!r})
print(json.dumps({{k: v for k, v in conf.items() if isinstance(v, str | int | float | None)}}))
"""
START = f"""
import runpy, sys
from types import SimpleNamespace
server = SimpleNamespace(log=SimpleNamespace(error=lambda words: print(words, file=sys.stderr)))
runpy.run_path({str(FILE)!r})["on_starting"](server)
"""


def _python(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"]}  # noqa: TID251 (the tests' own)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env={**path, **environ}, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def _values(**environ: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_python(SHOW, **environ).stdout)
    return found


def _booted(server: GunicornServer) -> int:
    return server.log.read_text().count("Booting worker")


def _refuse(_: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


class _App:
    """What the hooks use of an application: it notes what they ask of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []
        self.extensions: dict[str, Any] = {
            "larder_serving": lambda: self.asked.append(("serving", None)),
            "larder_shutdown": lambda grace_s: self.asked.append(("shutdown", grace_s)),
        }


@pytest.fixture
def hooks() -> Iterator[dict[str, Any]]:
    """The functions that gunicorn calls; what they tell it and the collector is taken back."""
    thresholds, usual = gc.get_threshold(), (wsgi.Response, util.write_error)
    yield runpy.run_path(str(FILE))
    wsgi.Response, util.write_error = usual
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def _worker(app: _App) -> Any:
    return SimpleNamespace(alive=True, wsgi=app, pid=1)


def test_it_serves_without_any_configuration():
    """On all addresses, with as many workers as there are cores."""
    values = _values()

    assert values["bind"] == "0.0.0.0:8000"
    assert values["workers"] >= 1
    assert values["worker_class"] == "gevent"
    assert values["preload_app"] is False


def test_an_empty_variable_is_not_set():
    """Compose files pass on what nobody filled in."""
    names = (
        "HOST", "PORT", "WEB_CONCURRENCY", "LARDER_WORKER_CLASS", "LARDER_THREADS", "LOG_LEVEL",
        "LARDER_MAX_REQUESTS", "SHUTDOWN_GRACE", "ACCESS_LOG",
    )  # fmt: skip

    assert _values(**dict.fromkeys(names, "")) == _values()


@pytest.mark.parametrize(
    ("variable", "raw", "name", "value"),
    [
        ("HOST", "127.0.0.1", "bind", "127.0.0.1:8000"),
        ("PORT", "9000", "bind", "0.0.0.0:9000"),
        ("WEB_CONCURRENCY", "3", "workers", 3),
        ("LARDER_WORKER_CLASS", "gthread", "worker_class", "gthread"),
        ("LARDER_THREADS", "8", "threads", 8),
        ("LARDER_MAX_REQUESTS", "1000", "max_requests_jitter", 100),
        ("ACCESS_LOG", "-", "accesslog", "-"),
        ("LOG_LEVEL", "debug", "loglevel", "debug"),
    ],
)
def test_the_environment_decides(variable, raw, name, value):
    """Every variable of the docs' table does what it says."""
    assert _values(**{variable: raw})[name] == value


@pytest.mark.parametrize(
    ("variable", "raw", "allowed"),
    [
        ("PORT", "http", "from 0 to 65535"),
        ("PORT", "70000", "from 0 to 65535"),
        ("WEB_CONCURRENCY", "0", "from 1 to 1000"),
        ("WEB_CONCURRENCY", "1.5", "a whole number"),
        ("LARDER_WORKER_CLASS", "sync", "gevent, gthread"),
        ("LARDER_THREADS", "many", "from 1 to 10000"),
        ("LARDER_MAX_REQUESTS", "-1", "from 0 to"),
        ("SHUTDOWN_GRACE", "nan", "from 0 to 3600"),
    ],
)
def test_a_wrong_value_is_refused_with_what_may_be(variable, raw, allowed):
    """A sentence, no traceback; all faults at once."""
    done = _python(SHOW, **{"LARDER_THREADS": "x", variable: raw})

    assert done.returncode == 1
    assert done.stderr.startswith("Larder cannot start: ")
    assert f"{variable} must be" in done.stderr
    assert allowed in done.stderr
    assert "LARDER_THREADS must be" in done.stderr
    assert "Traceback" not in done.stderr


def test_gunicorn_waits_longer_than_streams_may_take():
    """A worker that is killed in the midst of its goodbye loses what it would have booked."""
    values = _values(SHUTDOWN_GRACE="40")

    assert values["graceful_timeout"] > values["GRACE_S"] == 40


def test_grace_is_the_settings_own():
    """The two files read one variable: their defaults must not differ."""
    assert _values()["GRACE_S"] == Settings().shutdown_grace_s


def test_a_worker_begins_its_background_work_when_it_serves(hooks):
    """Not in the master, whose threads no worker would inherit."""
    app = _App()
    worker = _worker(app)

    hooks["post_worker_init"](worker)

    assert app.asked == [("serving", None)]
    worker.alive = False


def test_a_workers_answers_are_sent_in_one_piece(hooks):
    """`test_gunicorn_responses.py` says which."""
    hooks["post_worker_init"](_worker(_App()))

    assert wsgi.Response is hooks["JoinedResponse"]
    assert util.write_error is hooks["write_refusal"]


def test_a_workers_garbage_collector_leaves_its_start_alone(hooks):
    """It would look through all that was loaded again and again, at the cost of requests."""
    worker = _worker(_App())

    hooks["post_worker_init"](worker)

    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == hooks["COLLECTOR"]
    assert gc.isenabled()
    worker.alive = False


def test_a_worker_that_is_told_to_go_ends_its_streams_at_once(hooks):
    """Readers learn of it while gunicorn drains the other requests."""
    app = _App()
    worker = _worker(app)
    hooks["post_worker_init"](worker)

    worker.alive = False
    wait_until(lambda: len(app.asked) == 2)

    assert app.asked[-1] == ("shutdown", hooks["GRACE_S"])


def test_a_worker_does_not_end_before_its_streams_are_booked(hooks):
    """The process waits for the goodbye that runs beside it."""
    app = _App()
    may_end = threading.Event()
    shut_down = app.extensions["larder_shutdown"]
    app.extensions["larder_shutdown"] = lambda grace_s: (may_end.wait(10), shut_down(grace_s))
    worker = _worker(app)
    hooks["post_worker_init"](worker)
    leaving = threading.Thread(target=hooks["worker_exit"], args=(None, worker))

    leaving.start()
    leaving.join(0.3)
    waited = leaving.is_alive()
    may_end.set()
    leaving.join(10)

    assert waited
    assert app.asked[-1][0] == "shutdown"


def test_a_worker_that_never_served_ends_as_well(hooks):
    """Its application failed to load: there is nothing to wait for."""
    worker = _worker(_App())

    hooks["worker_exit"](None, worker)

    assert worker.wsgi.asked == []


@pytest.mark.server
def test_a_server_that_is_not_ready_does_not_start(tmp_path):
    """No worker serves from a database without tables, and no folder is left behind."""
    started = _python(
        START,
        LARDER_INSTANCE_PATH=str(tmp_path / "i"),
        CACHE_BACKEND="memory",
        TMPDIR=str(tmp_path),
    )

    assert started.returncode == 1
    assert "flask db upgrade" in started.stderr
    assert list(tmp_path.glob("larder-statistics-*")) == []


@pytest.mark.server
@pytest.mark.slow
def test_workers_share_their_counters_and_end_at_once(tmp_path):
    """Any worker shows the figures of all; after the end nothing of it is left.

    A proxy keeps its connections open: each deployment would take the whole grace time.
    """
    server = GunicornServer(tmp_path, METRICS_PUBLIC="true", SHUTDOWN_GRACE="60").start()
    for _ in range(20):
        server.get("/api/me")

    text = server.get("/metrics").data.decode()
    shared = list(tmp_path.glob("larder-statistics-*"))
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as idle:
        idle.request("GET", "/healthz")
        kept_open = idle.getresponse().read()
        began_s = time.monotonic()

        status = server.stop()
        took_s = time.monotonic() - began_s

    assert 'method="GET",route="/api/me",status="200"} 20.0' in text
    assert kept_open
    assert (len(shared), status) == (1, 0)
    assert took_s < 25
    assert list(tmp_path.glob("larder-statistics-*")) == []


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("worker_class", ["gevent", "gthread"])
def test_workers_that_are_replaced_leave_no_files_behind(tmp_path, worker_class):
    """The next ones count on in theirs, so the sums stay exact: there would be ever more."""
    server = GunicornServer(
        tmp_path, METRICS_PUBLIC="true", LARDER_WORKER_CLASS=worker_class, LARDER_MAX_REQUESTS="10"
    ).start()
    close = {"Connection": "close"}  # a request on a connection that is being ended is lost
    statuses, booted = set(), 0
    for _ in range(4):
        booted = _booted(server)
        statuses |= {server.get("/api/me", headers=close).status for _ in range(25)}
        wait_until(lambda: _booted(server) > booted, within_s=30)  # noqa: B023 (called here)

    text = server.get("/metrics", headers=close).data.decode()
    (shared,) = tmp_path.glob("larder-statistics-*")
    slots = {path.stem.rpartition("_")[2] for path in shared.glob("*.db")}
    server.stop()

    assert statuses == {200}
    assert len(slots) <= 4 < booted  # two workers, and those that end beside their successors
    assert 'method="GET",route="/api/me",status="200"} 100.0' in text


def test_clients_that_do_not_hang_up_stop_nobody(tmp_path):
    """Each would have taken two seconds of the one thread that accepts connections."""
    server = GunicornServer(tmp_path, LARDER_WORKER_CLASS="gthread", WEB_CONCURRENCY="1").start()
    asked = b"GET /healthz HTTP/1.1\r\nHost: larder\r\nConnection: close\r\n\r\n"
    with ExitStack() as kept:
        for _ in range(100):
            client = kept.enter_context(socket.create_connection(("127.0.0.1", server.port), 60))
            client.sendall(asked)
        response = server.get("/healthz", timeout=20)  # of three minutes
    server.stop()

    assert response.status == HTTPStatus.OK


@pytest.mark.parametrize("has_thread", [True, False])
def test_what_is_not_lingered_over_is_closed(hooks, monkeypatch, has_thread):
    """Too many at once, or no thread to be had: nobody waits for it."""
    if not has_thread:
        monkeypatch.setattr(threading.Thread, "start", _refuse)
    ours, theirs = zip(*(socket.socketpair() for _ in range(65 if has_thread else 1)), strict=True)

    for each in ours:
        hooks["close_beside"](each)
    is_closed = [each.fileno() == -1 for each in ours]
    for each in theirs:
        each.close()
    wait_until(lambda: all(each.fileno() == -1 for each in ours))

    assert is_closed[-1]
    assert sum(is_closed) == 1


def test_only_connections_that_still_wait_are_ended(hooks):
    """A request that came in the last moment is answered."""
    worker = SimpleNamespace(alive=True, timeout_ctx=lambda: gevent.Timeout(60, False))
    idle = hooks["IdleConnections"](worker)
    seen = []

    def connection(had_request: gevent.event.Event) -> None:
        with idle.wait():
            had_request.wait()
            seen.append("request")
        seen.append("over")

    came, none = gevent.event.Event(), gevent.event.Event()
    greenlets = [gevent.spawn(connection, each) for each in (came, none)]
    gevent.sleep(0)
    came.set()
    idle.end()
    gevent.joinall(greenlets, timeout=20)

    assert sorted(seen) == ["over", "over", "request"]


def test_a_connection_of_the_last_moment_is_waited_for_but_briefly(hooks):
    """It comes while the listener is closed; the worker is not held up by it."""
    worker = SimpleNamespace(alive=False, timeout_ctx=lambda: gevent.Timeout(60, False))
    idle = hooks["IdleConnections"](worker)

    def connection() -> str:
        with idle.wait():
            gevent.event.Event().wait()
        return "over"

    assert gevent.spawn(connection).get(timeout=20) == "over"
