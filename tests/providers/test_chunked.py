"""The chunked coding, however the network cut it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.chunked import MAX_LINE_BYTES, ChunkedBody

BODY = b"5\r\nHello\r\n7;name=value\r\n, world\r\n0\r\nTrailer: x\r\n\r\n"


def test_chunks_that_arrive_together_come_out_together():
    """A burst of tokens is one piece of work, not one for each."""
    body = ChunkedBody()

    assert body.feed(BODY) == b"Hello, world"
    assert body.is_complete


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_cuts_make_no_difference(cuts):
    """The network knows nothing of chunks."""
    edges = [0, *sorted(cuts), len(BODY)]
    body = ChunkedBody()

    parts = [body.feed(BODY[start:end]) for start, end in pairwise(edges)]

    assert b"".join(parts) == b"Hello, world"
    assert body.is_complete


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(1, 7))
def test_any_chunks_are_put_together(chunks, step):
    """Whatever stands in them, line ends included."""
    raw = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"
    body = ChunkedBody()

    parts = [body.feed(raw[at : at + step]) for at in range(0, len(raw), step)]

    assert b"".join(parts) == b"".join(chunks)
    assert body.is_complete


def test_a_chunk_that_is_half_there_is_given_as_far_as_it_is():
    """A token must not wait for the rest of its chunk."""
    body = ChunkedBody()

    assert body.feed(b"5\r\nHel") == b"Hel"
    assert body.feed(b"lo") == b"lo"
    assert not body.is_complete


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n",
        b"-1\r\n",
        b"0x5\r\nHello\r\n",
        b"\r\n",
        b"2\r\nHello\r\n",
        b"5" * (MAX_LINE_BYTES + 1),
    ],
)
def test_what_is_no_chunked_coding_is_refused(raw):
    """Half an answer must not pass for a whole one, nor a line grow without end."""
    with pytest.raises(ValueError, match=r"chunk"):
        ChunkedBody().feed(raw)
