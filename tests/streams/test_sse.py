"""The wire format, byte for byte."""

import pytest

from streams.events import Event
from streams.sse import COMMENT, ParsedEvent, encode, encode_batch, encode_stream, parse


def test_an_event_is_written_as_the_contract_shows_it():
    """Clients, and the promise of byte-equal resumption, depend on these bytes."""
    frame = encode(Event(1, "delta", b'{"text":"Hel"}'))

    assert frame == b'id: 1\nevent: delta\ndata: {"text":"Hel"}\n\n'


def test_the_first_event_carries_the_reconnection_time():
    """It is part of event 0, so that a resumed body continues a cut one without a seam."""
    assert encode(Event(0, "start", b"{}")) == b"retry: 2000\nid: 0\nevent: start\ndata: {}\n\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_data_of_several_lines_cannot_break_the_frame(line_end):
    """A provider's pretty-printed body must not end the event, nor begin fields of its own."""
    frame = encode(Event(3, "chunk", b"{" + line_end + b"event: x" + line_end + b"}"))

    assert list(parse(frame)) == [ParsedEvent("3", "chunk", "{\nevent: x\n}")]


def test_events_that_are_ready_together_are_one_write():
    """One write for many tokens is what makes bursts cheap."""
    events = [Event(n, "delta", b"%d" % n) for n in range(3)]

    assert encode_batch(events) == b"".join(map(encode, events))


def test_an_empty_batch_is_a_comment():
    """A comment keeps proxies from closing the connection, and finds out clients that are gone."""
    assert list(encode_stream([[], [Event(1, "a", b"1")]])) == [
        COMMENT,
        b"id: 1\nevent: a\ndata: 1\n\n",
    ]


def test_parsing_ignores_comments_and_what_is_not_finished():
    """As the standard's algorithm does: an event without its blank line is not dispatched."""
    body = encode(Event(0, "start", b"{}")) + COMMENT + b"id: 1\nevent: delta\ndata: cut of"

    assert list(parse(body)) == [ParsedEvent("0", "start", "{}")]


def test_parsing_knows_the_defaults():
    """No name means `message`; the last id stays until there is another."""
    assert list(parse(b"id: 7\ndata: a\n\ndata\ndata:b\n\n")) == [
        ParsedEvent("7", "message", "a"),
        ParsedEvent("7", "message", "\nb"),
    ]
