"""How a gthread worker closes connections: its clients may take their time, and nobody waits."""

import os
import runpy
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn, ThreadWorker

from tests.doubles.gunicorn_server import GunicornServer
from tests.streams.scripts import wait_until

FILE = Path(__file__).resolve().parents[1] / "gunicorn.conf.py"
LEAVE = f"""
import runpy, socket, threading
close = runpy.run_path({str(FILE)!r})["close_beside"]
def linger(sock):
    threading.main_thread().join()
    print("closed")
close.__globals__["_close_graceful"] = linger
close(socket.socket())
"""


def _refuse(_: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


class _Lingering:
    """Stands in for gunicorn's `close_graceful`, with clients that hang up when they are told."""

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.may_end = threading.Event()

    def __call__(self, sock: Any) -> None:
        self.given.append(sock)
        self.may_end.wait()
        sock.close()


@pytest.fixture
def lingering():
    """What waits for the clients; all of them hang up at the test's end."""
    waits = _Lingering()
    yield waits
    waits.may_end.set()


@pytest.fixture
def close(lingering, monkeypatch):
    """`close_beside`, of a worker of its own."""
    found = runpy.run_path(str(FILE))["close_beside"]
    monkeypatch.setitem(found.__globals__, "_close_graceful", lingering)
    return found


@pytest.fixture
def pair():
    """A connection: the server's side and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def _failing(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    yield b"Once upon a"
    raise ValueError(environ["PATH_INFO"])


@pytest.fixture
def worker():
    """A gthread worker whose application fails in the midst of each answer."""
    log = SimpleNamespace(**dict.fromkeys(("access", "debug", "exception"), lambda *_: None))
    made = ThreadWorker(0, os.getppid(), [], None, 60, Config(), log)
    made.wsgi = _failing
    yield made
    made.tmp.close()


def test_so_many_are_lingered_over_at_once(close, lingering):
    """One more is closed: nobody waits for it."""
    with ExitStack() as made:
        socks = [made.enter_context(socket.socket()) for _ in range(65)]

        for each in socks:
            close(each)
        is_closed = [each.fileno() == -1 for each in socks]
        lingering.may_end.set()
        wait_until(lambda: all(each.fileno() == -1 for each in socks))

    assert is_closed == [False] * 64 + [True]
    assert len(lingering.given) == 64


def test_what_no_thread_can_be_had_for_is_closed(close, lingering, pair, monkeypatch):
    """And the next one is lingered over, if there are threads again."""
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _refuse)
        for _ in range(65):
            sock = socket.socket()
            close(sock)
            assert sock.fileno() == -1

    close(pair[0])

    wait_until(lambda: lingering.given == [pair[0]])


def test_an_answer_that_fails_on_its_way_is_closed_once(
    close, lingering, pair, worker, monkeypatch
):
    """By the main thread. gunicorn's own second close failed, and a connection less was counted."""
    monkeypatch.setattr(util, "close_graceful", close)
    ours, theirs = pair
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: larder\r\n\r\n")
    connection = TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
    answered: Future[Any] = Future()
    request = threading.Thread(target=lambda: answered.set_result(worker.handle(connection)))
    worker.nr_conns = 1

    request.start()
    request.join()
    worker.finish_request(connection, answered)
    wait_until(lambda: lingering.given != [])

    assert theirs.recv(4096).endswith(b"Once upon a\r\n")
    assert lingering.given == [ours]
    assert worker.nr_conns == 0


def test_a_process_does_not_end_before_its_last_clients_hung_up():
    """One that still sends would have its connection reset, and lose its answer."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVE], capture_output=True, timeout=60, check=True
    )

    assert done.stdout == b"closed\n"


@pytest.mark.server
@pytest.mark.slow
def test_clients_that_do_not_hang_up_stop_nobody(tmp_path):
    """Each would have taken two seconds of the one thread that accepts: three minutes in all."""
    server = GunicornServer(tmp_path, LARDER_WORKER_CLASS="gthread", WEB_CONCURRENCY="1").start()
    asked = b"GET /healthz HTTP/1.1\r\nHost: larder\r\nConnection: close\r\n\r\n"
    with ExitStack() as kept:
        for _ in range(100):
            client = kept.enter_context(socket.create_connection(("127.0.0.1", server.port), 60))
            client.sendall(asked)
        response = server.get("/healthz", timeout=60)
    server.stop()

    assert response.status == HTTPStatus.OK
