"""How a worker sends an answer: its head along with the first piece of its body."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

CONF = runpy.run_path(str(Path(__file__).resolve().parents[1] / "gunicorn.conf.py"))


class _Socket:
    """Notes what is sent, send by send; has room for so many bytes at once."""

    def __init__(self, room: int = 10**6) -> None:
        self.sent: list[bytes] = []
        self._room = room

    def send(self, data: bytes) -> int:
        """Note what there is room for."""
        self.sent.append(data[: self._room])
        return len(self.sent[-1])

    def sendall(self, data: bytes) -> None:
        """Note it."""
        self.sent.append(data)


@pytest.fixture
def answer():
    """Answers a request as a worker does: what was sent, head and body apart, send by send."""

    def send(
        pieces: list[bytes],
        *,
        method: str = "GET",
        status: str = "200 OK",
        length: int | None = None,
        socket: _Socket | None = None,
    ) -> list[tuple[bool, bytes]]:
        socket = socket or _Socket()
        request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
        response = CONF["JoinedResponse"](request, socket, Config())
        headers = [] if length is None else [("Content-Length", str(length))]
        response.start_response(status, headers)
        for piece in pieces:
            response.write(piece)
        response.close()
        return [_parted(each) for each in socket.sent if each]

    return send


def _parted(sent: bytes) -> tuple[bool, bytes]:
    """Whether there was a head, and what else there was."""
    head, mark, body = sent.rpartition(b"\r\n\r\n")
    is_head = head.startswith(b"HTTP/1.1 ")
    return (True, body) if is_head and mark else (False, sent)


def test_the_head_goes_with_the_first_piece(answer):
    """One send is one packet, and its reader wakes once."""
    assert answer([b"[1]"], length=3) == [(True, b"[1]")]
    assert answer([b"a", b"b"], length=2) == [(True, b"a"), (False, b"b")]


def test_a_stream_of_unknown_length_begins_with_its_first_piece(answer):
    """What follows goes as it comes."""
    assert answer([b"one", b"two"]) == [
        (True, b"3\r\none\r\n"),
        (False, b"3\r\ntwo\r\n"),
        (False, b"0\r\n\r\n"),
    ]


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([], {"length": 0}),
        ([b""], {"length": 0}),
        ([b"more than is said"], {"length": 0}),
        ([], {"status": "304 Not Modified"}),
        ([b"for nobody"], {"method": "HEAD", "length": 10}),
    ],
)
def test_an_answer_without_a_body_is_its_head(answer, pieces, given):
    """Nothing is waited for that never comes."""
    assert answer(pieces, **given) == [(True, b"")]


def test_a_large_first_piece_is_not_copied(answer):
    """A download is sent as it was read."""
    large = b"x" * (CONF["JOINED_BYTES"] + 1)

    assert answer([large], length=len(large)) == [(True, b""), (False, large)]


def test_an_empty_first_piece_sends_the_head(answer):
    """An application that yields it wants the head to be seen before the body is there."""
    assert answer([b"", b"late"], length=4) == [(True, b""), (False, b"late")]


def test_what_a_full_buffer_does_not_take_at_once_follows(answer):
    """A slow reader gets all of it."""
    socket = _Socket(room=10)

    answer([b"one", b"two" * 5], length=18, socket=socket)

    assert b"".join(socket.sent).endswith(b"\r\n\r\none" + b"two" * 5)
    assert len(socket.sent) == 4


@pytest.mark.parametrize("length", [None, 11])
@pytest.mark.parametrize("room", [2, 10**6])
def test_the_access_log_has_the_size_of_the_whole_body(length, room):
    """Of each piece, whichever way it is sent; what frames the pieces is not counted."""
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    response = CONF["JoinedResponse"](request, _Socket(room), Config())
    response.start_response("200 OK", [] if length is None else [("Content-Length", str(length))])

    for piece in (b"one", b"", b"three", b"six"):
        response.write(piece)
    response.close()

    assert response.sent == 11
