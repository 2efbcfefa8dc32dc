"""How gunicorn is told to serve: its values, and what is done when workers begin and end."""

import gc
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.event
import pytest
from gunicorn import util
from gunicorn.http import wsgi

from config import Settings
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
log = SimpleNamespace(error=lambda words: print(words, file=sys.stderr))
server = SimpleNamespace(manage_workers=None, log=log)
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
    shared = os.memfd_create("worker")
    return SimpleNamespace(
        alive=True, wsgi=app, pid=1, age=1, tmp=SimpleNamespace(fileno=lambda: shared)
    )


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
        ("HOST", "::", "bind", "[::]:8000"),
        ("HOST", "[::1]", "bind", "[::1]:8000"),
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


def test_a_worker_that_is_told_to_go_ends_its_streams(hooks, monkeypatch):
    """Readers learn of it while gunicorn drains the other requests."""
    monkeypatch.setitem(hooks["_end_streams"].__globals__, "LAST_REQUESTS_S", 0.5)
    app = _App()
    worker = _worker(app)
    hooks["post_worker_init"](worker)

    worker.alive = False
    wait_until(lambda: len(app.asked) == 2)

    assert app.asked[-1] == ("shutdown", hooks["GRACE_S"] - 0.5)


def test_a_worker_that_has_served_its_last_request_waits_for_no_other(hooks, monkeypatch):
    """Its goodbye begins with its connections' end."""
    monkeypatch.setitem(hooks["_end_streams"].__globals__, "LAST_REQUESTS_S", 60)
    app = _App()
    worker = _worker(app)
    hooks["post_worker_init"](worker)
    leaving = threading.Thread(target=hooks["worker_exit"], args=(None, worker))

    leaving.start()
    leaving.join(20)

    assert not leaving.is_alive()
    assert app.asked[-1] == ("shutdown", 0)


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


def test_a_request_that_is_on_its_way_is_waited_for(hooks, monkeypatch):
    """Its client has connected and sends while the end begins."""
    monkeypatch.setitem(hooks["IdleConnections"].end.__globals__, "LAST_WAIT_S", 60)
    worker = SimpleNamespace(alive=True, timeout_ctx=lambda: gevent.Timeout(60, False))
    idle = hooks["IdleConnections"](worker)
    came = gevent.event.Event()

    def connection() -> str:
        with idle.wait():
            came.wait()
            return "request"
        return "over"

    greenlet = gevent.spawn(connection)
    gevent.sleep(0)
    idle.end()
    gevent.sleep(0)
    came.set()

    assert greenlet.get(timeout=20) == "request"


def test_a_connection_of_the_last_moment_is_waited_for_but_briefly(hooks):
    """It comes while the listener is closed; the worker is not held up by it."""
    worker = SimpleNamespace(alive=False, timeout_ctx=lambda: gevent.Timeout(60, False))
    idle = hooks["IdleConnections"](worker)

    def connection() -> str:
        with idle.wait():
            gevent.event.Event().wait()
        return "over"

    assert gevent.spawn(connection).get(timeout=20) == "over"
