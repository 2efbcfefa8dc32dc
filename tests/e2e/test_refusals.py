"""What is refused before its body was read, over gunicorn's real sockets."""

from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

LARGE = 10 * 2**20


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [(ADMIN_KEY, 413, "request_entity_too_large"), ("lk-nobody's", 401, "invalid_api_key")],
)
def test_a_client_that_sends_first_and_closes_then_reads_why(larder, key, status, code):
    """Closing over unread bytes would reset the connection, and the answer with it."""
    answer, document = _send(larder, key, b'{"content": "' + b"x" * LARGE + b'"}')

    assert (answer, document["code"]) == (status, code)
    if status == 413:
        assert document["detail"] == "The body can have 8388608 bytes at most."


def test_a_client_that_never_sends_its_body_is_answered_all_the_same(larder):
    """Nobody holds a thread of the server for longer than a moment by saying nothing."""
    connection = HTTPConnection(urlsplit(larder.url).netloc, timeout=60)
    connection.putrequest("POST", "/api/conversations")
    connection.putheader("Authorization", "Bearer lk-nobody's")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"{")

    response = connection.getresponse()

    assert response.status == 401
    connection.close()


def _send(larder: GunicornServer, key: str, body: bytes) -> tuple[int, dict[str, object]]:
    """One request whose whole body is sent before the answer is looked at."""
    connection = HTTPConnection(urlsplit(larder.url).netloc, timeout=30)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Connection": "close",
    }
    connection.request("POST", "/api/conversations", body, headers)
    response = connection.getresponse()
    document = msgspec.json.decode(response.read(), type=dict[str, object])
    connection.close()
    return response.status, document
