"""Events to bytes and back: the WHATWG event stream format, without I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html

The bytes of an event depend on nothing but the event, so a cut stream and its resumption, laid end
to end, equal the uninterrupted one (comments apart, which mark the time that passed). The advice
when to reconnect (`RETRY`) is part of event 0 for the same reason: a reader that resumes has had it
and a client keeps it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streams.events import Event

__all__ = ["COMMENT", "RETRY", "ParsedEvent", "encode", "encode_batch", "encode_stream", "parse"]

RETRY = b"retry: 2000\n"
COMMENT = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """One event as an EventSource would dispatch it, with the last id it had seen by then."""

    id: str
    name: str
    data: str


def encode(event: Event) -> bytes:
    """The event's frame; event 0 carries the reconnection time as well."""
    data = event.data
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(re.split(rb"\r\n|\n|\r", data))
    frame = b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), data)
    return frame if event.id else RETRY + frame


def encode_batch(events: Sequence[Event]) -> bytes:
    """Events that are ready together as one write; the keep-alive comment for an empty batch."""
    if len(events) == 1:
        return encode(events[0])
    return b"".join(map(encode, events)) if events else COMMENT


def encode_stream(batches: Iterable[Sequence[Event]]) -> Iterator[bytes]:
    """What the edge writes for `Reader.batches()`."""
    return map(encode_batch, batches)


def parse(body: bytes) -> Iterator[ParsedEvent]:
    """The events of a whole body, as the standard's algorithm dispatches them."""
    last_id, name, lines = "", "", list[str]()
    for line in re.split(r"\r\n|\n|\r", body.decode()):
        if not line:
            if lines:
                yield ParsedEvent(last_id, name or "message", "\n".join(lines))
            name, lines = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            lines.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value
