"""Bytes are waited for no longer than they may take, by threads and by greenlets."""

import socket
import ssl
import threading
from pathlib import Path

import gevent
import gevent.socket
import gevent.ssl
import pytest

from providers.event_loop import EventLoop
from providers.receiving import GreenletReceiver, KernelReceiver, ThreadReceiver, receiver_of
from tests.doubles.certificates import Authority

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
