"""Providers behind a network's proxy: a tunnel for https, with TLS from end to end."""

import base64

import pytest

from providers.protocol import ProviderConfig, ProviderUnavailable
from providers.proxies import Proxy, proxy_to
from providers.transport import Transport
from tests.doubles.connect_proxy import ConnectProxy
from tests.doubles.wire_server import whole


@pytest.fixture
def proxy():
    """A proxy that tunnels."""
    made = ConnectProxy()
    yield made
    made.close()


@pytest.fixture
def trusted(secured, monkeypatch):
    """The URL of a server whose certificate is trusted."""
    authority, url = secured
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    return url


def _transport(base_url: str, proxy_url: str, no_proxy: str = "") -> Transport:
    return Transport(
        ProviderConfig("up", "openai", base_url=base_url, proxy_url=proxy_url, no_proxy=no_proxy)
    )


def _get(transport: Transport) -> bytes:
    return transport.send("GET", "/models", headers={}).whole()


def test_a_call_goes_through_the_tunnel(wire, trusted, proxy):
    """The proxy learns the host alone; one tunnel serves call after call."""
    wire.replies([whole(b"one")], [whole(b"two")])
    transport = _transport(trusted, f"http://{proxy.address}")

    assert (_get(transport), _get(transport)) == (b"one", b"two")

    (asked,) = proxy.asked
    host = trusted.removeprefix("https://").removesuffix("/v1")
    assert asked.startswith(f"CONNECT {host} HTTP/1.")
    assert "authorization" not in asked.lower()
    assert wire.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    transport.close()


def test_a_proxy_is_told_who_asks(wire, trusted, proxy):
    """Its own password, percent-encoded in the URL; the provider does not see it."""
    wire.replies([whole(b"fine")])
    transport = _transport(trusted, f"http://me:s%40cret@{proxy.address}")

    assert _get(transport) == b"fine"

    token = base64.b64encode(b"me:s@cret").decode()
    assert f"\r\nproxy-authorization: Basic {token}\r\n".lower() in proxy.asked[0].lower()
    assert b"proxy-authorization" not in wire.requests[0].lower()
    transport.close()


@pytest.mark.parametrize("refusal", ["403 Forbidden", "407 Proxy Authentication Required"])
def test_a_proxy_that_refuses_is_named(wire, trusted, proxy, refusal):
    """Nothing was sent, so another provider may be asked; who reads it knows where to look."""
    proxy.refusal = refusal

    with pytest.raises(ProviderUnavailable, match="HTTPS_PROXY") as caught:
        _get(_transport(trusted, f"http://me:secret@{proxy.address}"))

    assert not caught.value.was_sent
    assert "secret" not in str(caught.value)
    assert wire.requests == []


def test_a_proxy_that_is_away_is_named(trusted, proxy):
    """It is no fault of the provider's."""
    proxy.close()

    with pytest.raises(ProviderUnavailable, match="HTTPS_PROXY") as caught:
        _get(_transport(trusted, f"http://{proxy.address}"))

    assert not caught.value.was_sent


def test_an_excepted_host_is_asked_directly(wire, trusted, proxy):
    """A gateway of one's own within the network."""
    wire.replies([whole(b"fine")])
    transport = _transport(trusted, f"http://{proxy.address}", "internal.example, 127.0.0.1")

    assert _get(transport) == b"fine"
    assert proxy.asked == []
    transport.close()


def test_a_provider_without_tls_is_asked_directly(wire, proxy):
    """It stands on this machine or beside it; its words are for no proxy."""
    wire.replies([whole(b"fine")])
    transport = _transport(wire.url, f"http://{proxy.address}")

    assert _get(transport) == b"fine"
    assert proxy.asked == []
    transport.close()


@pytest.mark.parametrize(
    ("no_proxy", "is_reached_through_it"),
    [
        ("", True),
        ("*", False),
        ("example.com", False),
        (".example.com", False),
        ("api.example.com", False),
        ("API.Example.com", False),
        ("api.example.com:443", False),
        ("other.example, example.com", False),
        ("api.example.com:8443", True),
        ("ample.com", True),
        ("other.example", True),
    ],
)
def test_who_is_excepted_is_said_as_everywhere(no_proxy, is_reached_through_it):
    """A domain stands for all its hosts, as curl and Python have it."""
    found = proxy_to("api.example.com", 443, "http://proxy.internal", no_proxy)

    assert found == (Proxy("proxy.internal", 80, {}) if is_reached_through_it else None)


def test_without_a_proxy_there_is_none():
    """The usual case."""
    assert proxy_to("api.example.com", 443, "", "") is None
