"""Events are read by the standard, however the network cut them."""

import pytest

from providers.protocol import ProviderMalformed
from providers.sse import ServerEvent, SseReader

STREAM = (
    b"\xef\xbb\xbf: hello\r\n\r\ndata: one\r\n\r\nevent: ping\rdata:two\rdata: three\r\r"
    b"id: 7\nretry: 10\ndata\ndata:  four \n\n"
)
EVENTS = [
    ServerEvent(b"one"),
    ServerEvent(b"two\nthree", "ping"),
    ServerEvent(b"\n four "),
]


def _read(*pieces, **limits):
    reader = SseReader(**limits)
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_events_do_not_depend_on_where_the_network_cut(size):
    """A chunk boundary may fall anywhere: in the mark, in CRLF, in a field's name."""
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]

    assert _read(*pieces) == EVENTS


def test_a_cut_between_cr_and_lf_is_one_line_end():
    """LF after CR belongs to it; the LF after that is the empty line that ends the event."""
    assert _read(b"data: a\r", b"\n", b"\n") == [ServerEvent(b"a")]
    assert _read(b"data: a\r", b"", b"\n", b"\r\n") == [ServerEvent(b"a")]
    assert _read(b"data: a\r", b"\n", b"data: b\n\n") == [ServerEvent(b"a\nb")]


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([b"data: one\n\n", b"data: two\n\n"], [ServerEvent(b"one"), ServerEvent(b"two")]),
        ([b"event: ping\n", b"data: one\n\n"], [ServerEvent(b"one", "ping")]),
        ([b"data: one\n", b"data: two\n\n"], [ServerEvent(b"one\ntwo")]),
        ([b"da", b"data: two\n\n"], []),
        ([b"data: one\r", b"data: two\n\n", b"\ndata: three\n\n"],
         [ServerEvent(b"one\ntwo"), ServerEvent(b"three")]),
        ([b"data: one\rdata: two\n\n"], [ServerEvent(b"one\ntwo")]),
        ([b"data: \n\n", b"data:  \n\n", b"data:  x \n\n"], [ServerEvent(b" x ")]),
        ([b"data: one\n\ndata: two\n\n"], [ServerEvent(b"one"), ServerEvent(b"two")]),
        ([b"data: one\n\n", b"\xef\xbb\xbfdata: two\n\n"], [ServerEvent(b"one")]),
    ],
)  # fmt: skip
def test_an_event_that_comes_alone_is_read_as_among_others(pieces, events):
    """Most do, one line each, and have a shorter way."""
    assert _read(*pieces) == events


def test_an_event_that_is_not_ended_is_not_given():
    """The standard: what has no empty line behind it is incomplete."""
    assert _read(b"data: one\n\ndata: two\n") == [ServerEvent(b"one")]


def test_a_name_without_data_is_no_event_and_is_forgotten():
    """The next event must not carry the name of one that never was."""
    assert _read(b"event: ping\n\ndata: one\n\n") == [ServerEvent(b"one", "message")]


@pytest.mark.parametrize("empty", [b"data:\n\n", b"data: \n\n", b"data\n\n", b"data:  \ndata:\n\n"])
def test_an_event_without_a_word_is_none(empty):
    """Proxies keep a stream alive so; no provider says anything by it."""
    read = _read(b"event: ping\n" + empty + b"data: one\n\n" + empty)

    assert read == [ServerEvent(b"one")]


def test_fields_that_only_begin_like_ours_are_passed_over():
    """`database:` is no `data:`."""
    assert _read(b"database: x\neventual: y\ndata: one\n\n") == [ServerEvent(b"one")]


def test_bytes_of_a_character_may_come_apart():
    """Nothing is decoded before the event is whole."""
    raw = "data: Grüße 😀\n\n".encode()

    (event,) = _read(*[bytes([each]) for each in raw])

    assert event.data.decode() == "Grüße 😀"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 101],
        [b"data: " + b"x" * 101 + b"\n\n"],
        [b"data: " + b"x" * 40 + b"\n"] * 3,
        [b"data: " + b"x" * 90 + b"\n", b"data: " + b"x" * 20],
    ],
)
def test_an_event_over_the_limit_is_refused(pieces):
    """A provider that never ends an event must not fill the memory."""
    with pytest.raises(ProviderMalformed, match="too large"):
        _read(*pieces, max_event_bytes=100)


def test_the_limit_is_for_one_event():
    """Many small events may come to more than the limit of one."""
    assert len(_read(b"data: " + b"x" * 90 + b"\n\ndata: y\n\n" * 50, max_event_bytes=100)) == 51


def test_a_line_in_many_pieces_is_joined_once():
    """Joined at each piece, a picture in one event would cost seconds of a worker's time."""
    reader = SseReader()
    pieces = [b"data: ", *[b"x" * 1400] * 100]

    early = [event for piece in pieces for event in reader.feed(piece)]
    kept = list(reader._rest)  # noqa: SLF001 (what it did until now)
    (event,) = reader.feed(b"y\n\n")

    assert early == []
    assert [id(each) for each in kept] == [id(each) for each in pieces]
    assert event.data == b"x" * 140_000 + b"y"
