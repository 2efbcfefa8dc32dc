"""What is refused before or while its body is read, over gunicorn's real sockets."""

import socket
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

LARGE = 10 * 2**20
JSON = b'{"title": "half"}'
SIZED = b"Content-Length: 500\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TOO_MANY = b"800000\r\n" + b" " * 2**23 + b"\r\n11\r\n" + JSON + b"\r\n0\r\n\r\n"


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


@pytest.mark.parametrize(
    ("wire", "status", "code"),
    [
        (SIZED + JSON, 400, "malformed"),
        (CHUNKED + b"zz\r\n" + JSON, 400, "malformed"),
        (CHUNKED + b"11\r\n" + JSON + b"xx", 400, "malformed"),
        (CHUNKED + b"11\r\n" + JSON + b"\r\n", 400, "malformed"),
        (CHUNKED + b"50\r\n" + JSON, 400, "malformed"),
        (CHUNKED + TOO_MANY, 413, "request_entity_too_large"),
    ],
    ids=["short", "no size", "no end of a chunk", "no last chunk", "short chunk", "too many"],
)
@pytest.mark.parametrize("path", ["/api/conversations", "/v1/chat/completions"])
def test_a_body_that_does_not_come_whole_is_not_carried_out(larder, path, wire, status, code):
    """Its client hung up or lost count: half of a request is not one, and is no fault of ours."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
    kind = b"Content-Type: application/json\r\n"

    answered, document = _send_raw(larder, head.encode() + kind + wire)

    assert answered == status
    assert document.get("error", document)["code"] == code
    assert "unexpected_error" not in larder.log.read_text()


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: \x01\r\n\r\n", 400),
        (b"POST /api/folders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ],
    ids=["a control character", "a negative length", "a long line"],
)
def test_what_the_server_itself_refuses_is_a_problem_too(larder, wire, status):
    """A client has one form of error to read, and an id to ask with."""
    answered, document = _send_raw(larder, wire)

    assert answered == document["status"] == status
    assert (document["code"], document["type"]) == ("malformed", "urn:larder:problem:malformed")
    assert document["request_id"]


def _send_raw(larder: GunicornServer, wire: bytes) -> tuple[int, dict[str, Any]]:
    """Just these bytes, and nothing after them."""
    address = urlsplit(larder.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection)
        response.begin()
        return response.status, msgspec.json.decode(response.read(), type=dict[str, Any])


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
