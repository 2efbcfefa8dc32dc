"""The addresses of a host, and how long they are waited for."""

import socket
import threading

import pytest

from providers.addresses import addresses_of


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_its_own(monkeypatch, address):
    """Nobody is asked."""
    monkeypatch.delattr(socket, "getaddrinfo")

    assert addresses_of(address, 0) == [address]


def test_a_name_has_addresses():
    """In the order of the system."""
    assert set(addresses_of("localhost", 10)) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["nobody.invalid", "", "a" * 80])
def test_a_host_that_is_none_has_no_address(monkeypatch, host):
    """Whatever the system says of it."""

    def none(*_: object, **__: object) -> None:
        raise socket.gaierror if host.endswith(".invalid") else UnicodeError

    monkeypatch.setattr(socket, "getaddrinfo", none)

    with pytest.raises((OSError, ValueError)):
        addresses_of(host, 10)


def test_a_look_up_that_takes_too_long_is_not_waited_for(monkeypatch):
    """It cannot be called off, and may take minutes."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(30))

    with pytest.raises(TimeoutError):
        addresses_of("provider.example", 0.05)
    ended.set()
