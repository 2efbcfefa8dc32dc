"""How a threaded worker sends a stream: by its request's thread at first, then in the event loop.

An answer that is there in a moment is not worth the way to the loop and back. Nor is one that
comes in a rush: while its thread waits for its turn more comes together. Nor one whose events
others produce: its thread sleeps until there are some.
"""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from providers.event_loop import EventLoop, Sender, receptions

__all__ = ["Relayed", "relayed"]

LASTS_S = 0.2
"""A stream that has taken longer goes on in the loop,"""
RUSH_PIECES = 40
"""unless more pieces than these came in that time."""
EVENT_STREAM = "text/event-stream"


class Relayed:
    """The body of a response, iterated by the thread that sends it.

    Args:
        body: its pieces.
        loop: where it goes on.
        sender: what sends it.
        monotonic_s: tells the time.
    """

    def __init__(
        self,
        body: Iterable[bytes],
        loop: EventLoop,
        sender: Sender,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._body = body
        self._loop = loop
        self._sender = sender
        self._monotonic_s = monotonic_s

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._body)
        looks_at_s, count = self._monotonic_s() + LASTS_S, 0
        receptions.has_come = False
        for piece in pieces:
            yield piece
            count += 1
            if receptions.has_come and (now_s := self._monotonic_s()) >= looks_at_s:
                if count <= RUSH_PIECES:
                    break
                looks_at_s, count = now_s + LASTS_S, 0
            receptions.has_come = False
        else:
            return
        self._loop.relay(pieces, self._sender)
        yield from pieces

    def close(self) -> None:
        """As PEP 3333 has it."""
        close: Any = getattr(self._body, "close", None)
        if close is not None:
            close()


def relayed(app: Any) -> Any:
    """A WSGI application for gunicorn's threads, whose streams go on in an event loop, begun here.

    Args:
        app: the application.
    """
    loop = EventLoop()
    loop.start()

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body: Iterable[bytes] = app(environ, start_response)
        sender = start_response.__self__
        kinds = (value for name, value in sender.headers if name.lower() == "content-type")
        # Neither TLS nor HTTP/2, whose frames gunicorn makes itself.
        is_plain = type(getattr(sender, "sock", None)) is socket.socket
        if is_plain and any(kind.startswith(EVENT_STREAM) for kind in kinds):
            return Relayed(body, loop, sender)
        return body

    return serve
