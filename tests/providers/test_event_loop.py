"""Streams go on beside one another in one thread, and what blocks is done by theirs."""

import gc
import socket
import threading
import weakref
from contextvars import ContextVar

import gevent
import pytest

from providers.event_loop import EventLoop, by_thread, is_here
from tests.doubles.senders import NotingSender

GUARD_S = 10
LOOP = EventLoop()


@pytest.fixture
def new_sender():
    """Makes senders, each with the socket at the other end of its own."""
    ends: list[socket.socket] = []

    def make() -> tuple[NotingSender, socket.socket]:
        here, there = socket.socketpair()
        there.settimeout(GUARD_S)
        ends.extend([here, there])
        return NotingSender(here), there

    yield make
    for each in ends:
        each.close()


def _read(sock: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        read += sock.recv(65536)
    return bytes(read)


def test_all_pieces_go_out_in_the_loops_one_thread(new_sender):
    """Whoever's they are."""
    threads = []
    for _ in range(2):
        sender, there = new_sender()
        sock = sender.sock

        LOOP.relay(iter([b"one", b"two"]), sender)

        assert _read(there, 6) == b"onetwo"
        assert sender.sock is sock
        threads += sender.threads
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_what_blocks_is_done_by_the_streams_thread_and_so_is_the_rest(new_sender):
    """It is there anyway, and knows whose work it does."""
    sender, there = new_sender()
    where = []

    def note() -> str:
        where.append((threading.current_thread(), is_here()))
        return "done"

    def pieces():
        yield b"a"
        where.append((threading.current_thread(), is_here()))
        yield by_thread(note).encode()
        yield b"c"

    coming = pieces()
    LOOP.relay(coming, sender)

    assert _read(there, 5) == b"adone"
    assert list(coming) == [b"c"]
    assert where == [(sender.threads[0], True), (threading.current_thread(), False)]


def test_elsewhere_it_is_simply_done():
    """A greenlet's work as well as a thread's."""
    assert by_thread(threading.current_thread) is threading.current_thread()
    assert not is_here()


@pytest.mark.parametrize("fault", [ValueError("broken"), SystemExit(1)])
@pytest.mark.parametrize("where", ["pieces", "thread", "sender"])
def test_a_fault_reaches_the_thread(new_sender, fault, where):
    """And what comes after it is as it would be without the loop."""
    sender, _ = new_sender()
    sock = sender.sock

    def fail(_: bytes = b"") -> bytes:
        raise fault

    def pieces():
        yield b"a"
        yield by_thread(fail) if where == "thread" else fail()

    if where == "sender":
        sender.write = fail
    with pytest.raises(type(fault)) as raised:
        LOOP.relay(pieces(), sender)

    assert raised.value is fault
    assert sender.sock is sock
    LOOP.relay(iter([]), sender)


def test_nobody_waits_for_another_streams_slow_reader_or_its_blocking_work(new_sender):
    """The loop goes on with what can go on."""
    slow, reader = new_sender()
    busy, _ = new_sender()
    size, may_go_on = 5_000_000, threading.Event()

    def pieces():
        yield b"a" if by_thread(lambda: may_go_on.wait(GUARD_S)) else b""

    others = [
        threading.Thread(target=LOOP.relay, args=(iter([b"x" * size, b"y"]), slow)),
        threading.Thread(target=LOOP.relay, args=(pieces(), busy)),
    ]
    for each in others:
        each.start()
    for _ in range(20):
        sender, there = new_sender()
        LOOP.relay(iter([b"quick"]), sender)
        assert _read(there, 5) == b"quick"
    assert [each.is_alive() for each in others] == [True, True]

    may_go_on.set()
    assert _read(reader, size + 1) == b"x" * size + b"y"
    for each in others:
        each.join(GUARD_S)
    assert [each.is_alive() for each in others] == [False, False]


def test_a_stream_keeps_the_threads_context(new_sender):
    """What is logged there names the request, as elsewhere."""
    name: ContextVar[str] = ContextVar("name", default="nobody's")
    name.set("this request's")
    sender, there = new_sender()

    LOOP.relay((name.get().encode() for _ in "1"), sender)

    assert there.recv(100) == b"this request's"


@pytest.fixture
def no_collector():
    """What is in a cycle stays."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_leaves_nothing_to_the_collector(new_sender, fails):
    """It comes seldom, and a response holds much: clients that hang up must not fill the memory."""
    sender, there = new_sender()
    kept = NotingSender(sender.sock)
    left = weakref.ref(kept)
    if fails:
        there.close()
        with pytest.raises(OSError, match="pipe"):
            LOOP.relay(iter([b"a", b"b"]), kept)
    else:
        LOOP.relay(iter([b"a", b"b"]), kept)
    LOOP.relay(iter([]), sender)  # by then the loop has done with the one before

    del kept
    assert left() is None


def test_without_a_thread_for_the_loop_the_streams_own_goes_on(new_sender, monkeypatch):
    """No stream fails for it, and none tries it again."""
    asked = []

    def refuse(thread: threading.Thread) -> None:
        asked.append(thread)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    _goes_on_by_itself(*new_sender())

    assert len(asked) == 1


def test_a_loop_that_cannot_be_made_holds_nobody_up(new_sender, monkeypatch):
    """Not even the first one, which began it."""

    def refuse() -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(gevent, "get_hub", refuse)
    going = threading.Thread(target=_goes_on_by_itself, args=new_sender(), daemon=True)
    going.start()
    going.join(GUARD_S)

    assert not going.is_alive()


def _goes_on_by_itself(sender: NotingSender, _there: socket.socket) -> None:
    loop = EventLoop()
    for _ in range(2):
        pieces = iter([b"a", b"b"])
        loop.relay(pieces, sender)
        assert list(pieces) == [b"a", b"b"]
    assert sender.threads == []
