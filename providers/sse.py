"""The reading side of server-sent events: bytes in, events out, no I/O.

After the WHATWG standard, https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end
with LF, CR or CRLF, wherever the network cut them; comments are passed over. So is an event without
a word in it, which the standard would give: proxies send it to keep a connection alive.
"""

from collections.abc import Iterable, Iterator

import msgspec

from providers.protocol import ProviderMalformed

__all__ = ["ServerEvent", "SseReader"]

BOM = b"\xef\xbb\xbf"
CARRIAGE_RETURN = 13
"""As a number: that is found in a sixth of the time."""


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `name` is `message` where the provider named none."""

    data: bytes
    name: str = "message"


class SseReader:
    """Collects bytes and gives the events that are complete.

    Args:
        max_event_bytes: a larger event is refused.
    """

    def __init__(self, *, max_event_bytes: int = 8 * 2**20) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._is_first = True
        self._after_cr = False
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""

    def feed(self, received: bytes) -> Iterable[ServerEvent]:
        """Take what the network brought; the events that it completes.

        Raises (here, or where they are taken):
            ProviderMalformed: an event is over the limit.
        """
        is_between = not (self._rest or self._data or self._name)
        if is_between and len(received) <= self._max_event_bytes and _is_one_event(received):
            self._is_first = self._after_cr = False
            return [ServerEvent(received[6:-2])]
        return self._read(received)

    def _read(self, received: bytes) -> Iterator[ServerEvent]:
        for line in self._lines(received):
            if line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._data_bytes += len(value) + 1
                if self._data_bytes > self._max_event_bytes:
                    self._check(0)
            elif line:
                self._take(line)
            elif self._data:
                event = self._event()
                if event.data and not event.data.isspace():
                    yield event
            else:
                self._name = ""

    def _lines(self, received: bytes) -> list[bytes]:
        """The lines that are whole by now."""
        if received:
            belongs = self._after_cr and received.startswith(b"\n")
            self._after_cr = received.endswith(b"\r")
            received = received[1:] if belongs else received
        if CARRIAGE_RETURN in received:
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = received.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest, self._rest_bytes = [], 0
        if lines and self._is_first:
            lines[0], self._is_first = lines[0].removeprefix(BOM), False
        if rest:  # joined once its end is there: a long line comes in thousands of pieces
            self._rest.append(rest)
            self._rest_bytes += len(rest)
            self._check(self._rest_bytes)
        return lines

    def _take(self, line: bytes) -> None:
        """Any line but the most frequent one."""
        if line.startswith(b"event:"):
            self._name = line[6:].removeprefix(b" ").decode(errors="replace")
        elif line == b"data":
            self._data.append(b"")

    def _event(self) -> ServerEvent:
        data = self._data
        event = ServerEvent(
            data[0] if len(data) == 1 else b"\n".join(data), self._name or "message"
        )
        self._data, self._data_bytes, self._name = [], 0, ""
        return event

    def _check(self, more_bytes: int) -> None:
        if self._data_bytes + more_bytes > self._max_event_bytes:
            raise ProviderMalformed("The provider sent an event that is too large.")


def _is_one_event(received: bytes) -> bool:
    """Whether this is what most often comes: an event of one line, whole and alone."""
    return (
        received.startswith(b"data: ")
        and received.find(b"\n") == len(received) - 2
        and received.endswith(b"\n\n")
        and CARRIAGE_RETURN not in received
        and not received[6:7].isspace()
    )
