"""Connections to a provider, kept while both sides want it."""

import socket

import pytest

from providers.connections import MAX_IDLE_S, MOST_IDLE, Connections
from providers.protocol import (
    ProviderConfig,
    ProviderLost,
    ProviderTimeout,
    ProviderUnavailable,
)
from providers.transport import Transport
from tests.doubles.fake_clock import FakeClock
from tests.doubles.wire_server import head, whole
from tests.streams.scripts import wait_until


@pytest.fixture
def transport(wire):
    """Speaks to the server."""
    made = Transport(ProviderConfig("up", "openai", base_url=wire.url))
    yield made
    made.close()


def _config(base_url):
    return ProviderConfig("up", "openai", base_url=base_url)


def _get(transport):
    return transport.send("GET", "/models", headers={})


@pytest.mark.parametrize(
    ("base_url", "host", "base_path"),
    [
        ("http://Example.com", "example.com", ""),
        ("https://example.com/v1/", "example.com", "/v1"),
        ("http://127.0.0.1:8000/a b", "127.0.0.1:8000", "/a%20b"),
        ("http://[::1]:8000/v1", "[::1]:8000", "/v1"),
    ],
)
def test_a_base_url_says_whom_to_ask(base_url, host, base_path):
    """As requests name it."""
    found = Connections(_config(base_url))

    assert (found.host, found.base_path) == (host, base_path)


@pytest.mark.parametrize("base_url", ["", "example.com", "ftp://example.com", "http:///v1"])
def test_what_is_no_base_url_is_refused(base_url):
    """Before anything is sent."""
    with pytest.raises(ProviderUnavailable, match="base URL") as caught:
        Connections(_config(base_url))

    assert not caught.value.was_sent


def test_a_connection_that_the_server_closed_is_not_used(wire, transport):
    """A request into it would be lost, and nobody could tell whether it was answered."""
    wire.replies([head("200 OK", "Content-Length: 4") + b"fine", 0.0], [whole(b"fine")])
    assert _get(transport).whole() == b"fine"
    wait_until(lambda: _is_readable(transport))

    assert _get(transport).whole() == b"fine"

    assert wire.connections == 2


def _is_readable(transport):
    ((kept, _),) = transport._connections._idle  # noqa: SLF001 (its end is to have arrived)
    kept.sock.settimeout(5)
    return kept.sock.recv(1, socket.MSG_PEEK) == b""


def test_a_server_that_will_close_is_asked_anew(wire, transport):
    """It says so in its head."""
    wire.replies([whole(b"fine", "200 OK", "Connection: close")])

    answers = [_get(transport).whole() for _ in range(2)]

    assert answers == [b"fine"] * 2
    assert wire.connections == 2


def test_a_body_that_was_not_read_takes_its_connection_along(wire, transport):
    """Else the next answer would begin with the rest of this one."""
    wire.replies([whole(b"fine")])
    _get(transport).close()

    assert _get(transport).whole() == b"fine"

    assert wire.connections == 2


def test_only_so_many_are_kept(wire):
    """A burst must not hold a provider's connections for ever."""
    connections = Connections(_config(wire.url))
    taken = [connections.take() for _ in range(MOST_IDLE + 1)]

    for each in taken:
        connections.give_back(each)

    assert [each.sock is None for each in taken] == [False] * MOST_IDLE + [True]
    connections.close()
    assert all(each.sock is None for each in taken)


@pytest.mark.parametrize(("idle_s", "is_kept"), [(MAX_IDLE_S, True), (MAX_IDLE_S + 1, False)])
def test_one_that_was_not_used_for_long_is_made_anew(wire, idle_s, is_kept):
    """A router may have forgotten it: the request would be lost without a word."""
    clock = FakeClock()
    connections = Connections(_config(wire.url), clock=clock)
    first = connections.take()
    connections.give_back(first)
    clock.advance(idle_s)

    taken = connections.take()

    assert (taken is first, first.sock is not None) == (is_kept, is_kept)
    taken.close()


def test_those_that_a_steady_load_does_not_take_are_closed(wire):
    """The latest is taken first, so the rest of a burst would lie there for ever."""
    clock = FakeClock()
    connections = Connections(_config(wire.url), clock=clock)
    busy, *burst = [connections.take() for _ in range(3)]
    for each in (*burst, busy):
        connections.give_back(each)
    clock.advance(MAX_IDLE_S)
    connections.give_back(connections.take())
    clock.advance(1)

    connections.give_back(connections.take())

    assert [each.sock is None for each in burst] == [True, True]
    assert connections.take() is busy
    busy.close()


def test_the_network_is_asked_whether_the_other_end_is_there(wire):
    """Routers forget a connection that is silent while a model thinks; small packets still go."""
    connection = Connections(_config(wire.url)).take()

    told = [
        connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
    ]

    assert all(told)
    connection.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/models HTTP/1.1\r\nX: 1", {}),
        ("/mo dels", {}),
        ("/models", {"X-Ours": "a\r\nX-Theirs: b"}),
        ("/models", {"X-Ours": "a\nb"}),
        ("/models", {"X-Ours\r\nX": "a"}),
        ("/models", {"X-Ours": "🔑"}),
    ],
)
def test_what_would_be_another_request_is_not_sent(wire, transport, path, headers):
    """A key with a line end in it comes from a file more often than from an attacker."""
    with pytest.raises(ProviderUnavailable, match="cannot be sent") as caught:
        transport.send("GET", path, headers=headers)

    assert not caught.value.was_sent
    assert wire.requests == []


def test_an_answer_before_the_end_of_the_request_is_read(wire, transport):
    """A server refuses what is too large for it, and hangs up."""
    wire.replies([whole(b'{"error": {"message": "Too large."}}', "413 No"), b""])

    with pytest.raises(Exception, match=r"Too large\.|could not be reached"):
        transport.send("POST", "/chat", body={"text": "x" * 4_000_000}, headers={})


def test_a_head_that_drips_ends_in_time(wire):
    """Each byte comes in time, the head does not."""
    wire.replies([b"HTTP/1.1 200 OK\r\n", *[b"X: 1\r\n", 0.05] * 100])
    config = ProviderConfig("up", "openai", base_url=wire.url, first_token_timeout_s=0.3)

    with pytest.raises(ProviderTimeout, match="did not answer in time"):
        _get(Transport(config))

    assert wire.hung_up.wait(10)


def test_a_connection_lost_before_the_head_may_have_cost(wire, transport):
    """The request was there; whether it was worked on nobody knows."""
    wire.replies([b"HTTP/1.1 200", b""])

    with pytest.raises(ProviderLost) as caught:
        _get(transport)

    assert caught.value.was_sent
