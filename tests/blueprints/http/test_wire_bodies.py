"""Bodies as they come over the wire: whole, or refused with what is wrong."""

import subprocess
import sys
from io import BytesIO

import pytest
from flask import Flask
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, NoMoreData
from werkzeug.exceptions import RequestEntityTooLarge

from blueprints.http.wire_bodies import WholeRequest, WireBody, has_body, may_be_unread
from services.errors import Malformed

LIMIT = 10
FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    b"hello\r\n--edge--\r\n"
)


class Trickle(BytesIO):
    """A server's input that gives one byte at a time."""

    def read(self, size: int | None = -1) -> bytes:
        """The next byte."""
        return super().read(min(1, size or 0))


class Broken:
    """A server's input that turns out to be none."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def read(self, size: int) -> bytes:
        """Say so."""
        del size
        raise self._fault


@pytest.fixture
def app():
    """An application that reads no more than `LIMIT` bytes."""
    app = Flask(__name__)
    app.request_class = WholeRequest
    app.config["MAX_CONTENT_LENGTH"] = LIMIT
    return app


@pytest.mark.parametrize("kind", [BytesIO, Trickle])
@pytest.mark.parametrize(
    ("length", "most"), [(5, 9), (5, None), (None, 5), (None, 9), (None, None)]
)
def test_a_whole_body_is_read_whatever_it_comes_in(kind, length, most):
    """All at once, or piece by piece to its end."""
    pieces = WireBody(kind(b"hello"), length, most)

    assert WireBody(kind(b"hello"), length, most).read() == b"hello"
    assert [pieces.read(2) for _ in range(4)] == [b"he", b"ll", b"o", b""]


def test_what_follows_a_body_is_not_read():
    """It is the next request."""
    wire = BytesIO(b"helloGET / HTTP/1.1")

    assert WireBody(wire, 5, 9).read() == b"hello"
    assert wire.tell() == 5


@pytest.mark.parametrize("kind", [BytesIO, Trickle])
@pytest.mark.parametrize("size", [-1, 4, 100])
def test_a_body_that_ends_before_its_length_is_malformed(kind, size):
    """Half of what somebody said is not what they said (RFC 9112, 6.3)."""
    body = WireBody(kind(b"he"), 5, 9)

    with pytest.raises(Malformed, match="before its end"):
        body.read(size)


@pytest.mark.parametrize("kind", [BytesIO, Trickle])
def test_a_chunked_body_over_the_limit_is_too_large(kind):
    """Cut at the limit it could be read as something else."""
    pieces = WireBody(kind(b"hello"), None, 4)

    with pytest.raises(RequestEntityTooLarge):
        WireBody(kind(b"hello"), None, 4).read()
    assert pieces.read(4) == b"hell"
    with pytest.raises(RequestEntityTooLarge):
        pieces.read(4)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (InvalidChunkSize(b"zz"), "cannot be read: Invalid chunk size"),
        (ChunkMissingTerminator(b"xx"), "cannot be read"),
        (ValueError("no chunk"), "cannot be read"),
        (NoMoreData(), "before its end"),
        (ConnectionResetError(), "before its end"),
    ],
)
def test_a_body_that_the_server_cannot_read_is_malformed(fault, said):
    """The client's fault, not ours."""
    with pytest.raises(Malformed, match=said):
        WireBody(Broken(fault), None, 9).read()  # type: ignore[arg-type]  # all that is used


def test_a_fault_of_ours_stays_one():
    """It belongs in the log."""
    with pytest.raises(KeyError):
        WireBody(Broken(KeyError()), None, 9).read()  # type: ignore[arg-type]  # likewise


def test_another_server_needs_no_gunicorn():
    """Its errors are looked for where gunicorn serves."""
    program = "import sys, blueprints.http.wire_bodies; sys.exit('gunicorn' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_declared_length_over_the_limit_is_refused_unread(app):
    """Nothing of it need come."""
    with app.test_request_context(data=b"x" * 11) as sent, pytest.raises(RequestEntityTooLarge):
        sent.request.get_data()


def test_a_body_of_no_known_end_is_not_read(app):
    """A server that does not say that it ends the input may wait for ever."""
    endless = {"CONTENT_LENGTH": "", "wsgi.input": BytesIO(b"hello")}

    with app.test_request_context(environ_overrides=endless) as sent:
        assert sent.request.get_data() == b""


@pytest.mark.parametrize("missing", [1, 12, 40])
def test_a_form_that_was_cut_off_is_malformed(app, missing):
    """Not one without the file, nor one with half of it."""
    app.config["MAX_CONTENT_LENGTH"] = 1000
    form = app.test_request_context(
        method="POST",
        content_type="multipart/form-data; boundary=edge",
        environ_overrides={
            "CONTENT_LENGTH": str(len(FORM)),
            "wsgi.input": BytesIO(FORM[:-missing]),
        },
    )

    with form as sent, pytest.raises(Malformed):
        _ = sent.request.files


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"data": b"x"}, True),
        ({"headers": {"Content-Length": "0"}}, False),
        ({"headers": {"Transfer-Encoding": "chunked"}}, True),
    ],
)
def test_the_head_says_whether_there_is_a_body(app, given, expected):
    """A chunked one has no length."""
    with app.test_request_context(**given) as sent:
        assert has_body(sent.request) is expected


@pytest.mark.parametrize(
    ("head", "read", "expected"),
    [
        ({"CONTENT_LENGTH": "5"}, None, True),
        ({"CONTENT_LENGTH": "5"}, 4, True),
        ({"CONTENT_LENGTH": "5"}, 5, False),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 5, True),
        ({}, None, False),
    ],
)
def test_what_may_be_left_of_a_body_is_known(app, head, read, expected):
    """Most refusals come when all of it was read: nothing is to be waited for then."""
    environ = {"wsgi.input": BytesIO(b"hello"), "wsgi.input_terminated": True, **head}
    with app.test_request_context(environ_overrides=environ) as sent:
        if read is not None:
            sent.request.stream.read(read)

        assert may_be_unread(sent.request) is expected
