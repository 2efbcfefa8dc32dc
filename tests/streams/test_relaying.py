"""A threaded worker's streams go on in the event loop where that is worth it."""

import socket
import ssl
import threading

import pytest

from providers.event_loop import EventLoop
from providers.receiving import receiver_of
from streams.relaying import LASTS_S, RUSH_PIECES, Relayed, relayed
from tests.doubles.fake_clock import FakeClock
from tests.doubles.senders import NotingSender

LOOP = EventLoop()
GUARD_S = 10


@pytest.fixture
def pairs():
    """The provider's connection and the client's, both ends of each."""
    pairs = socket.socketpair(), socket.socketpair()
    for pair in pairs:
        for each in pair:
            each.settimeout(GUARD_S)
    yield pairs
    for pair in pairs:
        for each in pair:
            each.close()


class _Relay:
    """Relays a provider's words word by word; each takes so long."""

    def __init__(
        self,
        pairs,
        takes_s: float,
        *,
        pulls: bool = True,
        words: int = 4,
        slows_by: int = 1,
    ) -> None:
        (self.provider, self._from), (here, self.client) = pairs
        self.sender = NotingSender(here)
        self.yielded: list[bytes] = []
        self.closed = False
        self.read = b""
        self._clock = FakeClock()
        self._takes_s = takes_s
        self._pulls = pulls
        self._words = words
        self._slows_by = slows_by

    def __iter__(self):
        receiver = receiver_of(self._from)
        while True:
            word = receiver.receive(GUARD_S) if self._pulls else self._from.recv(100)
            if not word:
                return
            is_late = len(self.sender.threads) > RUSH_PIECES
            self._clock.advance(self._takes_s * (self._slows_by if is_late else 1))
            yield word
            self.read += self.client.recv(100)
            if len(self.sender.threads) < self._words:
                self.provider.sendall(b"more")
            else:
                self.provider.close()

    def close(self) -> None:
        """As PEP 3333 has it."""
        self.closed = True

    def run(self) -> None:
        """As gunicorn does it."""
        self.provider.sendall(b"more")
        body = Relayed(self, LOOP, self.sender, self._clock.monotonic)
        for piece in body:
            self.yielded.append(piece)
            self.sender.write(piece)
        body.close()


def test_a_stream_that_lasts_goes_on_in_the_loop(pairs):
    """All of it comes, in its order; the thread sends what came before."""
    relay = _Relay(pairs, takes_s=LASTS_S / 2)

    relay.run()

    here = threading.current_thread()
    assert [thread is here for thread in relay.sender.threads] == [True, True, False, False]
    assert relay.read == b"more" * 4
    assert relay.closed


def test_a_stream_that_is_soon_over_stays_with_its_thread(pairs):
    """The way to the loop and back would cost more than it saves."""
    relay = _Relay(pairs, takes_s=LASTS_S / 10)

    relay.run()

    assert relay.yielded == [b"more"] * 4
    assert set(relay.sender.threads) == {threading.current_thread()}


def test_a_rush_stays_with_its_thread_until_it_slows_down(pairs):
    """What comes while a thread waits for its turn comes together, which is cheaper."""
    relay = _Relay(pairs, takes_s=LASTS_S / (RUSH_PIECES + 5), words=2 * RUSH_PIECES, slows_by=4)

    relay.run()

    here = threading.current_thread()
    fast = [thread is here for thread in relay.sender.threads[: RUSH_PIECES + 10]]
    assert all(fast)
    assert relay.sender.threads[-1] is not here


def test_a_stream_that_others_produce_stays_with_its_thread(pairs):
    """What it waits for is no socket, and would hold up the loop."""
    relay = _Relay(pairs, takes_s=LASTS_S, pulls=False)

    relay.run()

    assert set(relay.sender.threads) == {threading.current_thread()}


def test_a_body_without_a_close_needs_none(pairs):
    """A list, say."""
    body = Relayed([b"a"], LOOP, NotingSender(pairs[1][0]), FakeClock().monotonic)

    assert list(body) == [b"a"]
    body.close()


def test_event_streams_alone_are_relayed_and_over_plain_sockets(pairs):
    """Another answer, or a client of TLS or HTTP/2, has its thread to the end."""
    _, (here, there) = pairs

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"a"]

    def served(sock, content_type) -> object:
        sender = NotingSender(sock, content_type)
        if sock is None:
            del sender.sock
        return type(relayed(app)({}, sender.start_response))

    context = ssl.create_default_context()
    with context.wrap_socket(there, server_hostname="x", do_handshake_on_connect=False) as secured:
        assert served(here, "text/event-stream; charset=utf-8") is Relayed
        assert served(here, "application/json") is list
        assert served(secured, "text/event-stream") is list
        assert served(None, "text/event-stream") is list
