"""Tries and their ends over real workers: a stop, and a shutdown, do not wait for a wait."""

import threading
import time

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.wire_server import WireServer, whole
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

LATER = [whole(b"{}", "429 Slow down", "Retry-After: 9")]


@pytest.fixture
def busy(larder: GunicornServer):
    """A provider `busy` that always asks to come back in nine seconds."""
    server = WireServer().replies(LATER)
    new = {"id": "busy", "wire_format": "openai", "base_url": server.url}
    assert larder.post("/api/providers", new).status in {201, 409}
    assert larder.post("/api/models", {"id": "busy/m"}).status in {201, 409}
    yield server
    server.close()
    larder.request("DELETE", "/api/providers/busy")


def test_a_stop_ends_a_call_that_waits_for_its_next_try(larder, busy):
    """From whichever worker; the provider is not asked again for what nobody wants."""
    chat = larder.post("/api/conversations", {"model": "busy/m"}).json()["id"]
    answers = []

    def ask():
        answers.append(larder.post(f"/api/conversations/{chat}/messages", {"content": "hi"}))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: bool(busy.requests), within_s=10)
    began_s = time.monotonic()
    running = larder.get("/api/streams?active=true").json()["items"]
    (stream,) = [each for each in running if each["conversation_id"] == chat]

    stopped = larder.request("DELETE", f"/api/streams/{stream['id']}")
    asking.join(20)

    assert stopped.status in {200, 202, 204}
    assert b'"finish_reason":"cancelled"' in answers[0].data
    assert time.monotonic() - began_s < 8
    assert len(busy.requests) == 1
