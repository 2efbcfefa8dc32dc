"""A provider on real sockets, asked by the HTTP client, or behind TLS."""

import socket
import ssl
import threading

import pytest

from providers.protocol import ProviderConfig
from providers.transport import Transport
from tests.doubles.certificates import Authority

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
