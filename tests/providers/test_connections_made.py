"""Connections to a provider, made in time or not at all, and trusted only for a reason."""

import socket
import threading
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from providers import connections
from providers.connections import NEAR_S, Connections
from providers.protocol import (
    HangUp,
    ProviderConfig,
    ProviderTimeout,
    ProviderUnavailable,
)
from providers.transport import Transport
from tests.doubles.wire_server import head, whole
from tests.streams.scripts import wait_until


@pytest.fixture
def silent_url():
    """Of a host that takes no more connections: what asks for one is swallowed."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as waiting:
        address = listening.getsockname()
        for _ in range(4):  # more than its queue takes
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"


def _config(base_url):
    return ProviderConfig("up", "openai", base_url=base_url)


def _get(transport):
    return transport.send("GET", "/models", headers={})


def test_a_provider_with_a_trusted_certificate_is_asked(wire, secured, monkeypatch):
    """`SSL_CERT_FILE` names a company's own authority; the connection is kept as any other."""
    authority, url = secured
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    wire.replies([whole(b"fine")])
    transport = Transport(ProviderConfig("up", "openai", base_url=url))

    answers = [_get(transport).whole() for _ in range(2)]
    transport.close()

    assert answers == [b"fine"] * 2
    assert wire.connections == 1


def test_a_stream_over_tls_is_stopped_from_another_thread(wire, secured, monkeypatch):
    """As one without."""
    authority, url = secured
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    wire.replies([head("200 OK", "Transfer-Encoding: chunked") + b"3\r\none\r\n"])
    reply = _get(Transport(ProviderConfig("up", "openai", base_url=url)))
    pieces = reply.pieces()
    assert next(pieces) == b"one"

    threading.Timer(0.05, reply.close).start()

    with pytest.raises(Exception, match=r"broke off|was stopped"):
        next(pieces)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(secured, wire):
    """Our key would go to whoever answers."""
    _, url = secured

    with pytest.raises(ProviderUnavailable) as caught:
        _get(Transport(ProviderConfig("up", "openai", base_url=url)))

    assert not caught.value.was_sent
    assert wire.requests == []


def test_a_certificate_for_another_host_is_not_trusted(secured, wire, monkeypatch):
    """Whoever has some certificate of the same authority is not our provider."""
    authority, url = secured
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    elsewhere = url.replace("127.0.0.1", "localhost")

    with pytest.raises(ProviderUnavailable) as caught:
        _get(Transport(ProviderConfig("up", "openai", base_url=elsewhere)))

    assert not caught.value.was_sent
    assert wire.requests == []


def test_a_host_that_does_not_answer_is_given_up_in_time(monkeypatch):
    """For each of its addresses."""

    def never(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", never)
    config = ProviderConfig("up", "openai", base_url="http://127.0.0.1:9", connect_timeout_s=0.1)

    with pytest.raises(ProviderTimeout, match="reached in time") as caught:
        _get(Transport(config))

    assert not caught.value.was_sent


def test_a_connect_is_waited_for_until_somebody_hangs_up(silent_url):
    """The stream that it is for may have been ended long ago."""
    config = ProviderConfig("up", "openai", base_url=silent_url, connect_timeout_s=60)
    waits: list[HangUp | None] = []
    told: Future[bool] = Future()

    def ask():
        with pytest.raises(ProviderUnavailable) as caught:
            Transport(config).send("GET", "/models", headers={}, on_wait=waits.append)
        told.set_result(caught.value.was_sent)

    threading.Thread(target=ask, daemon=True).start()
    wait_until(lambda: bool(waits))
    hang_up, *_ = waits
    assert hang_up is not None
    hang_up()

    assert told.result(10) is False
    assert waits == [hang_up, None]


def test_a_provider_that_is_near_is_reached_without_a_thread(wire):
    """It costs more than the connection does, and a burst of calls makes many."""
    waits: list[HangUp | None] = []

    Connections(_config(wire.url)).take(waits.append).close()

    assert waits == []


def test_a_connection_that_comes_too_late_is_closed(wire, monkeypatch):
    """Nobody would ever use it, and the provider hold it."""
    made, usual = [], Connections._connected  # noqa: SLF001 (seen by nobody else)
    may_connect, was_closed = threading.Event(), threading.Event()

    def late(self, within_s):
        if within_s == NEAR_S:
            raise ProviderTimeout("Not near.")
        may_connect.wait(10)
        made.append(usual(self, within_s))
        monkeypatch.setattr(made[0], "close", was_closed.set)
        return made[0]

    monkeypatch.setattr(Connections, "_connected", late)
    with pytest.raises(ProviderUnavailable):
        Connections(_config(wire.url)).take(lambda how: how and how())

    may_connect.set()
    assert was_closed.wait(10)
    monkeypatch.undo()
    made[0].close()


def test_a_host_whose_address_is_not_found_in_time_is_given_up(monkeypatch):
    """The limit of a connect holds for the look-up as well."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(30))
    url = "http://provider.example"
    config = ProviderConfig("up", "openai", base_url=url, connect_timeout_s=0.05)

    with pytest.raises(ProviderTimeout, match="reached in time") as caught:
        _get(Transport(config))

    ended.set()
    assert not caught.value.was_sent


def test_a_host_is_reached_at_the_address_that_answers(wire, monkeypatch):
    """One may have several, not all of them to be had."""
    monkeypatch.setattr(connections, "addresses_of", lambda *_: ["127.0.0.2", "127.0.0.1"])
    wire.replies([whole(b"{}")])
    url = wire.url.replace("127.0.0.1", "provider.example")

    reply = _get(Transport(ProviderConfig("up", "openai", base_url=url)))

    assert reply.whole() == b"{}"
    assert b"\r\nHost: provider.example:" in wire.requests[0]
