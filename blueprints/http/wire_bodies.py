"""A request's body as it comes over the wire: all of it, or an error that says what is wrong.

gunicorn says that it ends the input itself (`wsgi.input_terminated`), so werkzeug takes any end for
the right one: that of a client which hung up, and that of a chunked body at the limit as well.
"""

import sys
from io import BytesIO
from typing import IO, Any, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import get_content_length

from services.errors import Malformed

__all__ = ["WholeRequest", "WireBody", "has_body", "may_be_unread"]

CUT_OFF = "The body ended before its end."


class WireBody:
    """A body that is read to its end; nothing else is taken for its end (RFC 9112, 6.3).

    Args:
        source: the server's `wsgi.input`.
        length: how many bytes its sender said there are; `None` of a chunked one.
        most: how many a chunked one may have; `None` for any number.
    """

    def __init__(self, source: IO[bytes], length: int | None, most: int | None) -> None:
        self._source = source
        self._is_chunked = length is None
        self._left = (sys.maxsize - 1 if most is None else most) if length is None else length

    @property
    def is_read(self) -> bool:
        """Whether it is known that nothing is left of it."""
        return not (self._is_chunked or self._left)

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, all by default; fewer at the end only.

        Raises:
            Malformed: it ended too early, or its chunks are none.
            RequestEntityTooLarge: there are more bytes than there may be.
        """
        wanted = self._left + self._is_chunked  # a byte past the limit tells that there is more
        if 0 <= size < wanted:
            wanted = size
        data = self._next(wanted)
        while len(data) < wanted and (more := self._next(wanted - len(data))):
            data += more
        self._left -= len(data)
        if self._left < 0:
            raise RequestEntityTooLarge
        if len(data) < wanted and not self._is_chunked:
            raise Malformed(CUT_OFF)
        return data

    def _next(self, size: int) -> bytes:
        try:
            return self._source.read(size) if size else b""
        except OSError:  # gunicorn's `NoMoreData` is one
            raise Malformed(CUT_OFF) from None
        except _unreadable() as fault:
            raise Malformed(f"The body cannot be read: {str(fault)[:200]}.") from None


def _unreadable() -> tuple[type[Exception], ...]:
    """What servers raise over chunks that are none; gunicorn's only where it is what serves."""
    errors: Any = sys.modules.get("gunicorn.http.errors")
    return (ValueError,) if errors is None else (ValueError, errors.ParseException)


class WholeRequest(Request):
    """A request whose body is whole wherever it is read: as JSON, as a form, as bytes."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, checked while it is read.

        Raises:
            RequestEntityTooLarge: its sender says that it has more bytes than it may.
        """
        length, most = get_content_length(self.environ), self.max_content_length
        if length is None and "wsgi.input_terminated" not in self.environ:
            return BytesIO()  # nobody knows where it ends
        if length is not None and most is not None and length > most:
            raise RequestEntityTooLarge
        return cast("IO[bytes]", WireBody(self.environ["wsgi.input"], length, most))


def has_body(request: Request) -> bool:
    """Whether anything follows the head of `request`."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def may_be_unread(request: Request) -> bool:
    """Whether a part of what follows the head of `request` may not have been read."""
    body = vars(request).get("stream")
    return has_body(request) and not (isinstance(body, WireBody) and body.is_read)
