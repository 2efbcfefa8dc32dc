"""Larder served by gunicorn: what a server makes at its start, and leaves behind at its end."""

import os
import signal
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.streams.scripts import wait_until

ASKED = {"model": "demo/echo", "messages": [{"role": "user", "content": "hello"}]}


def _booted(server: GunicornServer) -> int:
    return server.log.read_text().count("Booting worker")


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
        status = server.stop()  # which kills it after half a minute

    assert 'method="GET",route="/api/me",status="200"} 20.0' in text
    assert kept_open
    assert (len(shared), status) == (1, 0)
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
        wait_until(lambda: _booted(server) > booted, within_s=120)  # noqa: B023 (called here)

    text = server.get("/metrics", headers=close).data.decode()
    (shared,) = tmp_path.glob("larder-statistics-*")
    slots = {path.stem.rpartition("_")[2] for path in shared.glob("*.db")}
    server.stop()

    assert statuses == {200}
    assert len(slots) <= 4 < booted  # two workers, and those that end beside their successors
    assert 'method="GET",route="/api/me",status="200"} 100.0' in text


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("worker_class", ["gevent", "gthread"])
def test_a_reload_refuses_nobody(tmp_path, worker_class):
    """Workers that were told to go are still handed requests for a moment. No counters are left."""
    server = GunicornServer(tmp_path, LARDER_WORKER_CLASS=worker_class).start()
    before, statuses = set(server.worker_pids()), set()

    server.send_signal(signal.SIGHUP)
    while before.intersection(server.worker_pids()):
        answer = server.post("/v1/chat/completions", ASKED, headers={"Connection": "close"})
        statuses.add(answer.status)
    server.stop()

    assert statuses == {200}
    assert list(tmp_path.glob("larder-statistics-*")) == []


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("worker_class", ["gevent", "gthread"])
def test_a_reload_has_the_old_workers_serve_until_the_new_ones_do(tmp_path, worker_class):
    """A start takes seconds, on a busy machine many: nobody should have to wait for it."""
    server = GunicornServer(tmp_path, WEB_CONCURRENCY="1", LARDER_WORKER_CLASS=worker_class).start()
    (old,) = server.worker_pids()

    server.send_signal(signal.SIGHUP)
    wait_until(lambda: len(server.worker_pids()) > 1)
    new = server.worker_pids()[-1]
    os.kill(new, signal.SIGSTOP)  # as if its start took long
    answers = []
    for _ in range(20):
        time.sleep(0.2)  # noqa: TID251 (one that is told to go is handed requests a while longer)
        answers.append(server.get("/healthz", timeout=10).status)
    beside = server.worker_pids()
    os.kill(new, signal.SIGCONT)
    wait_until(lambda: server.worker_pids() == [new], within_s=60)
    after = server.get("/healthz").status
    server.stop()

    assert answers == [200] * 20
    assert beside == [old, new]
    assert after == 200
