"""A provider over TLS, asked by real workers of both classes: streamed, stopped, kept."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.doubles.certificates import Authority
from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer
from tests.doubles.openai_server import KEY, OpenAIServer
from tests.e2e.conftest import WORKER_CLASSES
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("tls-provider")]

ASKED: list[Any] = [{"role": "user", "content": "hello there"}]


class _SecuredServer(OpenAIServer):
    """The double behind a certificate; it counts who connected."""

    connections = 0

    def get_request(self):
        """The next one, its handshake made."""
        found = super().get_request()
        self.connections += 1
        return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom Larder is told to trust."""
    return Authority(tmp_path, "ours")


@pytest.fixture
def provider(authority: Authority) -> Iterator[_SecuredServer]:
    """A provider whose certificate is the authority's."""
    issued = authority.issue("provider")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    server = _SecuredServer()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.start()
    yield server
    server.close()


@pytest.fixture(params=WORKER_CLASSES)
def larder(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider: _SecuredServer,
    authority: Authority,
) -> Iterator[GunicornServer]:
    """Larder with one worker."""
    server = GunicornServer(
        tmp_path_factory.mktemp("larder"),
        LARDER_WORKER_CLASS=request.param,
        WEB_CONCURRENCY="1",
        OPENAI_BASE_URL=provider.url.replace("http://", "https://"),
        OPENAI_API_KEY=KEY,
        SSL_CERT_FILE=str(authority.certificate),
    ).start()
    yield server
    server.stop()


def test_a_provider_over_tls_is_a_provider_as_any_other(larder, provider):
    """One handshake serves many calls; a stop ends the provider's stream."""
    client: Any = openai.OpenAI(base_url=f"{larder.url}/v1", api_key=ADMIN_KEY, max_retries=0)
    before = provider.connections
    for _ in range(3):
        whole = client.chat.completions.create(model="openai/echo", messages=ASKED)
        assert whole.choices[0].message.content == "You said: hello there "
        chunks = client.chat.completions.create(model="openai/echo", messages=ASKED, stream=True)
        text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
        assert text == "You said: hello there "
    assert provider.connections - before == 1

    stream = client.chat.completions.with_raw_response.create(
        model="openai/stall", messages=ASKED, stream=True
    )
    stream_id = stream.headers["x-larder-stream-id"]
    assert larder.request("DELETE", f"/api/streams/{stream_id}").status == 204

    wait_until(lambda: larder.get("/api/streams?active=true").json()["items"] == [])
    latest = larder.get("/api/costs/records?limit=1").json()["items"][0]
    assert (latest["model_id"], latest["status"]) == ("openai/stall", "cancelled")
