"""Bytes are waited for in the event loop as they were by the thread that began."""

import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from providers.event_loop import EventLoop, is_here
from providers.receiving import KernelReceiver, receiver_of
from tests.doubles.certificates import Authority
from tests.doubles.senders import NotingSender
from tests.streams.scripts import wait_until

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 10
LOOP = EventLoop()


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
