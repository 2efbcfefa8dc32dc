"""Bytes are waited for no longer than they may take, by threads, by greenlets, in the loop."""

import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest

from providers.event_loop import EventLoop, is_here
from providers.receiving import (
    GreenletReceiver,
    KernelReceiver,
    ThreadReceiver,
    receiver_of,
)
from tests.doubles.certificates import Authority
from tests.doubles.senders import NotingSender
from tests.streams.scripts import wait_until

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 10
LOOP = EventLoop()


@pytest.fixture
def pair():
    """Two sockets of gevent's, joined."""
    ends = gevent.socket.socketpair()
    yield ends
    for each in ends:
        each.close()


@pytest.fixture
def threads_pair():
    """Two plain sockets, joined."""
    ends = socket.socketpair()
    yield ends
    for each in ends:
        each.close()


def test_each_kind_of_socket_has_its_receiver(pair, threads_pair):
    """One of gevent's is told by what it waits with; a new gevent may call that otherwise."""
    assert isinstance(receiver_of(pair[0]), GreenletReceiver)
    assert isinstance(receiver_of(threads_pair[0]), KernelReceiver)
    with ssl.create_default_context().wrap_socket(
        threads_pair[1], server_hostname="x", do_handshake_on_connect=False
    ) as secured:
        assert type(receiver_of(secured)) is ThreadReceiver


@pytest.mark.parametrize("kind", [KernelReceiver, ThreadReceiver])
def test_a_thread_has_what_comes_and_waits_no_longer_than_it_may(threads_pair, kind):
    """What is there is there at once; an end is no bytes."""
    here, there = threads_pair
    receiver = kind(here)
    there.sendall(b"one")

    assert receiver.receive(GUARD_S) == b"one"
    for no_time_s in (0.01, 1e-9):
        with pytest.raises(TimeoutError):
            receiver.receive(no_time_s)
    there.sendall(b"two")
    assert receiver.receive(GUARD_S) == b"two"
    there.close()
    assert receiver.receive(GUARD_S) == b""


def test_a_greenlet_has_what_comes_and_waits_no_longer_than_it_may(pair):
    """What comes after a wait in vain is not lost."""
    here, there = pair
    receiver = receiver_of(here)
    there.sendall(b"one")

    assert receiver.receive(GUARD_S) == b"one"
    with gevent.Timeout(GUARD_S), pytest.raises(TimeoutError):
        receiver.receive(0.01)
    there.sendall(b"two")
    assert receiver.receive(GUARD_S) == b"two"
    there.close()
    assert receiver.receive(GUARD_S) == b""


def test_an_alarm_that_was_set_for_an_earlier_wait_ends_no_later_one(pair):
    """It is not set anew for each piece, so it may ring within any."""
    here, there = pair
    receiver = receiver_of(here)
    there.sendall(b"one")
    receiver.receive(0.02)
    gevent.spawn_later(0.1, there.sendall, b"two")

    assert receiver.receive(GUARD_S) == b"two"


@pytest.mark.parametrize(("earlier_s", "busy_s"), [(0.01, 0.05), (600, 0)])
def test_each_wait_has_its_own_limit(pair, earlier_s, busy_s):
    """Though the alarm has rung between the two, or is far from it."""
    here, there = pair
    receiver = receiver_of(here)
    there.sendall(b"one")
    receiver.receive(earlier_s)
    gevent.sleep(busy_s)

    with gevent.Timeout(GUARD_S), pytest.raises(TimeoutError):
        receiver.receive(0.01)


def test_a_closed_receiver_rings_no_more(pair):
    """A call of a minute would leave its alarm behind for nine."""
    here, there = pair
    receiver = GreenletReceiver(here)
    there.sendall(b"one")
    receiver.receive(600)
    alarm = receiver._alarm  # noqa: SLF001 (whether it is left behind is the point)

    assert alarm.active
    receiver.close()
    assert not alarm.active


def test_a_socket_that_is_closed_meanwhile_ends_the_wait(pair):
    """That is how a stop reaches a greenlet that waits for a silent provider."""
    here, _ = pair
    receiver = receiver_of(here)
    waiting = gevent.spawn(receiver.receive, 600)
    gevent.sleep(0.01)

    here.close()
    waiting.join(GUARD_S)

    assert isinstance(waiting.exception, OSError)
    assert not isinstance(waiting.exception, TimeoutError)
    with gevent.Timeout(GUARD_S), pytest.raises((OSError, ValueError, AttributeError)):
        receiver.receive(600)


def test_what_tls_has_taken_off_the_socket_is_not_waited_for(tmp_path):
    """A record of TLS may hold more than is asked for at once."""
    issued = Authority(tmp_path, "Larder's test").issue("localhost")
    serving = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(issued.certificate, issued.key)
    trusting = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, gevent.ssl.CERT_NONE
    sockets = gevent.socket.socketpair()
    said = b"x" * 50_000

    def serve():
        with serving.wrap_socket(sockets[0], server_side=True) as there:
            there.sendall(said)
            there.recv(1)

    server = gevent.spawn(serve)
    with trusting.wrap_socket(sockets[1]) as here:
        first = here.recv(100)  # the rest of its record stays with TLS
        assert here.pending()
        receiver, heard = receiver_of(here), bytearray(first)
        while len(heard) < len(said):
            heard += receiver.receive(GUARD_S)
        with gevent.Timeout(GUARD_S), pytest.raises(TimeoutError):
            receiver.receive(0.01)
    server.join(GUARD_S)

    assert heard == said


@pytest.mark.parametrize("kind", [KernelReceiver, ThreadReceiver])
def test_a_thread_is_woken_by_a_socket_that_is_shut_down(threads_pair, kind):
    """A stop comes from another thread."""
    here, _ = threads_pair
    heard = []
    waiting = threading.Thread(target=lambda: heard.append(kind(here).receive(GUARD_S)))
    waiting.start()

    here.shutdown(socket.SHUT_RDWR)
    waiting.join(GUARD_S)

    assert heard == [b""]


@pytest.fixture
def in_loop():
    """Does work in the event loop, as a stream that has gone on there."""

    def run(work):
        done = []

        def pieces():
            done.append(work())
            yield b""

        with socket.socket() as sock:
            LOOP.relay(pieces(), NotingSender(sock))
        return done[0]

    return run


@pytest.fixture
def secured_pair(threads_pair, tmp_path):
    """Two sockets of TLS, joined."""
    issued = Authority(tmp_path, "Larder's test").issue("localhost")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(issued.certificate, issued.key)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    there: list[ssl.SSLSocket] = []
    greeting = threading.Thread(
        target=lambda: there.append(serving.wrap_socket(threads_pair[1], server_side=True))
    )
    greeting.start()
    with trusting.wrap_socket(threads_pair[0]) as here:
        greeting.join(GUARD_S)
        with there[0]:
            yield here, there[0]


@pytest.mark.parametrize("kind", ["threads_pair", "secured_pair"])
def test_in_the_loop_what_comes_is_there_and_no_wait_too_long(in_loop, request, kind):
    """By turns with a thread: whoever reads a stream next may be one."""
    here, there = request.getfixturevalue(kind)
    receiver = receiver_of(here)
    for _ in range(2):
        there.sendall(b"one")
        assert receiver.receive(GUARD_S) == b"one"
        there.sendall(b"two")
        assert in_loop(lambda: (receiver.receive(GUARD_S), is_here())) == (b"two", True)
        with pytest.raises(TimeoutError):
            in_loop(lambda: receiver.receive(0.01))
        with pytest.raises(TimeoutError):
            receiver.receive(0.01)

    there.sendall(b"x" * 200_000)
    heard = bytearray()
    while len(heard) < 200_000:
        heard += in_loop(lambda: receiver.receive(GUARD_S))
    there.shutdown(socket.SHUT_RDWR)
    assert in_loop(lambda: receiver.receive(GUARD_S)) == b""
    receiver.close()


@pytest.mark.parametrize("kind", ["threads_pair", "secured_pair"])
def test_what_a_thread_waits_for_it_closes_itself(request, kind):
    """TLS would read on from the number, which may be another connection's by then."""
    here, there = request.getfixturevalue(kind)
    receiver: Any = receiver_of(here)
    closers: list[object] = []

    def receive() -> None:
        closers.append(receiver.receive(600))
        with pytest.raises(OSError, match="closed"):
            receiver.receive(600)

    waiting = threading.Thread(target=receive)
    waiting.start()
    wait_until(receiver._turn.locked)  # noqa: SLF001 (nobody else can tell)
    receiver.hang_up(lambda: closers.append(threading.current_thread()))
    closers.append("hung up")
    there.sendall(b"one")
    waiting.join(GUARD_S)

    assert closers == ["hung up", waiting, b"one"]


def test_a_wait_in_the_loop_ends_when_another_thread_hangs_up(in_loop, threads_pair):
    """And only then is the socket closed: libev ends the process if it is to watch a closed one."""
    here, _ = threads_pair
    receiver: Any = KernelReceiver(here)
    faults: list[type[BaseException]] = []
    watched: list[bool] = []

    def receive() -> None:
        with pytest.raises(OSError, match="closed") as fault:
            in_loop(lambda: receiver.receive(600))
        faults.append(fault.type)

    def close() -> None:
        watched.append(receiver._in_loop._readable.active)  # noqa: SLF001 (no one else knows)
        here.close()

    waiting = threading.Thread(target=receive)
    waiting.start()
    wait_until(lambda: bool(receiver._in_loop and receiver._in_loop._waiting))  # noqa: SLF001
    receiver.hang_up(close)
    waiting.join(GUARD_S)
    receive()

    assert faults == [OSError, OSError]
    assert watched == [False]
    assert here.fileno() == -1


def test_who_comes_to_the_loop_after_the_hanging_up_does_not_wait(in_loop, threads_pair):
    """The stop came in between."""
    here = threads_pair[0]
    receiver = receiver_of(here)
    receiver.hang_up(here.close)

    assert here.fileno() == -1
    with pytest.raises(OSError, match=r"file descriptor|closed"):
        in_loop(lambda: receiver.receive(600))


def test_a_receiver_leaves_nothing_behind_in_the_loop(in_loop, threads_pair):
    """Neither its alarm nor its watch over a number that will be another socket's."""
    here, there = threads_pair
    receiver = KernelReceiver(here)
    there.sendall(b"one")
    in_loop(lambda: receiver.receive(600))
    waiter = receiver._in_loop  # noqa: SLF001 (whether it is left behind is the point)
    assert waiter is not None
    alarm = waiter._alarm  # noqa: SLF001 (likewise)

    assert alarm.active
    receiver.close()
    in_loop(lambda: None)
    assert not alarm.active


LOADING = """
import socket, sys
from providers.event_loop import EventLoop
from providers.receiving import receiver_of
from tests.doubles.senders import NotingSender

loop = EventLoop()
loop.start()
here, there = socket.socketpair()
receiver = receiver_of(here)
there.sendall(b"one")
loaded = set(sys.modules)
loop.relay(iter(lambda: receiver.receive(10), b"one"), NotingSender(here))
print(*set(sys.modules) - loaded)
"""


def test_the_first_stream_in_the_loop_loads_no_code():
    """It would hold the others up, and fail where no file can be opened any more."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING], cwd=ROOT, capture_output=True, check=True, timeout=60
    )

    assert done.stdout.split() == []
