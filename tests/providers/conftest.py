"""Providers: on real sockets, or behind TLS, asked by the HTTP client; or as written down."""

import socket
import ssl
import threading
from functools import partial

import pytest

from providers.attempts import Attempts, Candidate, Reached
from providers.circuit import Circuit, CircuitPolicy
from providers.protocol import ChatRequest, ProviderConfig
from providers.retries import RetryPolicy
from providers.transport import Transport
from tests.doubles.certificates import Authority
from tests.providers.scripted import Watcher, itself

KEY = "sk-key-of-ours"


@pytest.fixture
def secured(wire, tmp_path):
    """Puts TLS in front of the server, for one connection after the other."""
    authority = Authority(tmp_path, "ours")
    issued = authority.issue("provider")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                plain, _ = listening.accept()
                wire.connections += 1
                with context.wrap_socket(plain, server_side=True) as sock:
                    while asked := sock.recv(65536):
                        wire.requests.append(asked)
                        for step in wire.next_reply():
                            sock.sendall(step)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield authority, f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
    ended.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


@pytest.fixture
def threads_pair():
    """Two plain sockets, joined."""
    ends = socket.socketpair()
    yield ends
    for each in ends:
        each.close()


@pytest.fixture
def send(wire):
    """Send one request to the server; limits may be named."""

    def sending(
        path="/chat/completions", method="POST", *, is_written_first=False, on_wait=None, **limits
    ):
        config = ProviderConfig("up", "openai", base_url=wire.url, api_key=KEY, **limits)
        return Transport(config).send(
            method,
            path,
            body={"a": "ü"},
            headers={"X-Ours": "1"},
            is_written_first=is_written_first,
            on_wait=on_wait,
        )

    return sending


@pytest.fixture
def watcher():
    """Who is told of failed tries."""
    return Watcher()


@pytest.fixture
def tried(clock, watcher):
    """The attempts over some providers; two retries, all waits as long as they may be."""

    def trying(
        *providers, deadline_s=60.0, retries=2, with_clock=clock, circuits=None, stream=True
    ):
        circuits = circuits or [Circuit("p", CircuitPolicy(), clock) for _ in providers]
        reached = [Reached(*each) for each in zip(providers, circuits, strict=True)]
        return Attempts(
            [
                Candidate(partial(itself, each), ChatRequest(f"m{place}", {}, stream=stream))
                for place, each in enumerate(reached)
            ],
            policy=RetryPolicy(retries=retries, first_wait_s=1.0, patience_s=10.0),
            clock=with_clock,
            draw=lambda: 1.0,
            deadline_s=with_clock.monotonic() + deadline_s,
            watcher=watcher,
        )

    return trying
