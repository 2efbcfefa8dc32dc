"""One response, however the network cut it and whatever its server thinks HTTP is."""

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.response import MAX_HEAD_BYTES, MAX_PIECE_BYTES, Response

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = HEAD + b"Connection: close\r\n\r\n"


def _sized(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(each + b"\r\n" for each in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _chunks(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"


def _fed(*received: bytes) -> tuple[Response, bytes]:
    response = Response()
    return response, b"".join(piece for each in received for piece in response.feed(each))


def _facts(response: Response) -> tuple[int, bool, bool]:
    return response.status, response.is_complete, response.is_reusable


def test_the_head_says_what_comes():
    """Names in small letters; what is said twice stands together."""
    raw = _sized(b"fine", b"X-Two: a", b"x-two: b", b"Retry-After:  7 ", b"X-Name: \xfc")

    response, body = _fed(raw)

    assert _facts(response) == (200, True, True)
    told = {name: response.headers[name] for name in ("x-two", "retry-after", "x-name")}
    assert told == {"x-two": "a, b", "retry-after": "7", "x-name": "ü"}
    assert body == b"fine"


def test_chunks_that_arrive_together_come_out_together():
    """A burst of tokens is one piece of work, not one for each."""
    response = Response()

    pieces = list(response.feed(CHUNKED + _chunks(b"one", b"two", b"three")))

    assert pieces == [b"onetwothree"]
    assert _facts(response) == (200, True, True)


def test_a_chunk_that_is_half_there_is_given_as_far_as_it_is():
    """A token must not wait for the rest of its chunk."""
    response = Response()

    assert list(response.feed(CHUNKED + b"5\r\nHel")) == [b"Hel"]
    assert list(response.feed(b"lo")) == [b"lo"]
    assert not response.is_complete


WHOLE = [
    CHUNKED + b"5\r\nHello\r\n7;name=value\r\n, world\r\n0\r\nTrailer: x\r\n\r\n",
    _sized(b"Hello, world"),
    b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + _sized(b"Hello, world"),
    _sized(gzip.compress(b"Hello, world"), b"Content-Encoding: gzip"),
]


@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 1000), max_size=12))
def test_cuts_make_no_difference(raw, cuts):
    """The network knows nothing of heads and chunks."""
    edges = [0, *sorted(min(each, len(raw)) for each in cuts), len(raw)]
    received = [raw[start:end] for start, end in pairwise(edges) if start < end]

    response, body = _fed(*received)

    assert body == b"Hello, world"
    assert _facts(response) == (200, True, True)
    assert {"trailer", "x-early"}.isdisjoint(response.headers)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(1, 7))
def test_any_chunks_are_put_together(chunks, step):
    """Whatever stands in them, line ends included."""
    raw = CHUNKED + _chunks(*chunks)

    response, body = _fed(*[raw[at : at + step] for at in range(0, len(raw), step)])

    assert body == b"".join(chunks)
    assert response.is_complete


@pytest.mark.parametrize(
    "head", [ENDLESS, b"HTTP/1.0 200 OK\r\n\r\n", HEAD + b"Transfer-Encoding: identity\r\n\r\n"]
)
def test_a_body_without_a_length_lasts_as_long_as_its_connection(head):
    """Old servers and simple ones."""
    response, body = _fed(head + b"one", b"two")
    assert not response.is_complete

    assert list(response.feed(b"")) == []

    assert body == b"onetwo"
    assert _facts(response) == (200, True, False)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_is_whole_at_once(status):
    """Waiting for one would take until the time is over."""
    response, _ = _fed(b"HTTP/1.1 %d No\r\n\r\n" % status)

    assert _facts(response) == (status, True, True)


def test_two_lengths_are_one_too_many_for_the_next_request():
    """The chunks count; what else the server thinks of its connection nobody knows."""
    head = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"

    response, body = _fed(head + _chunks(b"Hello, ", b"world"))

    assert (body, _facts(response)) == (b"Hello, world", (200, True, False))


def test_lines_may_end_with_a_line_feed_alone():
    """As those of some servers that people wrote in an afternoon."""
    response, body = _fed(b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine")

    assert (body, _facts(response)) == (b"fine", (200, True, True))


def test_a_server_that_will_close_is_not_asked_again():
    """Its connection would break under the next request."""
    response, body = _fed(_sized(b"fine", b"Connection: close"))

    assert (body, _facts(response)) == (b"fine", (200, True, False))


def test_what_follows_a_whole_response_is_not_read():
    """Nobody asked for it, and the next request must not take it for its answer."""
    response, body = _fed(_sized(b"fine") + _sized(b"more"))
    nonsense, _ = _fed(_sized(b"fine"), b"nonsense")

    assert body == b"fine"
    assert not nonsense.is_reusable
    assert not response.is_reusable


@pytest.mark.parametrize(
    ("raw", "before"),
    [
        (b"nonsense\r\n", b""),
        (b"HTTP/9.9 200 OK\r\n\r\n", b""),
        (b"\x00\xff\x00", b""),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", b""),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b""),
        (HEAD + b"Content-Length: -1\r\n\r\n", b""),
        (HEAD + b"X Two: 1\r\n\r\n", b""),
        (CHUNKED + b"nonsense\r\n", b""),
        (CHUNKED + b"-1\r\n", b""),
        (CHUNKED + b"3\r\nonetwo\r\n", b"one"),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nbr!", b""),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\ngz!", b""),
    ],
)
def test_what_is_no_http_is_a_fault_behind_what_was(raw, before):
    """Half an answer must not pass for a whole one; what came of it is not lost."""
    response, given_before = Response(), bytearray()

    def read():
        for piece in response.feed(raw):
            given_before.extend(piece)

    with pytest.raises(ValueError, match=r"whole HTTP|compressed"):
        read()
    assert bytes(given_before) == before
    assert not response.is_reusable or response.headers.get("content-encoding") == "gzip"


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200", CHUNKED + b"5\r\nHello\r\n", HEAD + b"Content-Length: 9\r\n\r\nHello"]
)
def test_a_connection_that_ends_too_early_is_a_fault(raw):
    """However far it came."""
    response, _ = _fed(raw)

    with pytest.raises(ValueError, match="whole HTTP"):
        list(response.feed(b""))


def test_a_compressed_body_that_ends_too_early_is_a_fault():
    """The transfer was whole, what it carried was not."""
    packed = gzip.compress(b"Hello, world")[:-9]

    with pytest.raises(ValueError, match="ended before its end"):
        _fed(_sized(packed, b"Content-Encoding: gzip"))


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(b"Hello, ") + gzip.compress(b"world"), b"gzip"),
        (gzip.compress(b"Hello, world"), b"x-gzip"),
        (zlib.compress(b"Hello, world"), b"Deflate"),
        (b"Hello, world", b"identity"),
        (b"Hello, world", b"none"),
        (b"Hello, world", b""),
        (b"Hello, world", b"UTF-8"),
    ],
    ids=[
        "members",
        "x-gzip",
        "deflate",
        "identity",
        "none",
        "empty",
        "charset",
    ],  # gzip writes the time into what it packs
)
def test_what_was_compressed_unasked_is_read(packed, coding):
    """In each way that servers do."""
    _, body = _fed(_sized(packed, b"Content-Encoding: " + coding))

    assert body == b"Hello, world"


def test_a_bomb_goes_off_in_small_pieces():
    """Whoever reads can stop at a limit."""
    bomb = gzip.compress(bytes(16 * 2**20))

    sizes = [len(each) for each in Response().feed(_sized(bomb, b"Content-Encoding: gzip"))]

    assert sum(sizes) == 16 * 2**20
    assert max(sizes) <= MAX_PIECE_BYTES


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * 1000, b"X: 1\r\n"])
def test_a_head_has_an_end(line):
    """The memory is finite."""
    response = Response()
    list(response.feed(HEAD))

    def read():
        for _ in range(2 * MAX_HEAD_BYTES // len(line)):
            list(response.feed(line))

    with pytest.raises(ValueError, match="whole HTTP"):
        read()
