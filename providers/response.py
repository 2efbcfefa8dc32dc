"""One HTTP/1.1 response as it arrives: bytes in; status, headers and body out; no I/O.

llhttp parses it (`httptools`). The chunks of a body that arrived together come out together: a
provider sends a chunk a token, and a burst of tokens makes that worth while.
"""

import zlib
from collections.abc import Iterable, Iterator

import httptools

__all__ = ["Response"]

MAX_HEAD_BYTES = 64 * 1024
MAX_PIECE_BYTES = 2**20
"""Of what is decompressed at once: a few bytes may stand for a thousand times as many."""
WITHOUT_BODY = (204, 304)
PLAIN = frozenset({"", "identity", "none", "utf-8"})
"""Content codings that are none; the last two are a mistake that some make against proxies."""
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Response:
    """Takes what a connection receives.

    Attributes:
        status: 0 until the head is there.
        headers: by their names in small letters.
        is_complete: the end of the body has come.
        is_reusable: the connection may then serve another request.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_complete = False
        self.is_reusable = False
        self._is_endless = False
        self._head_bytes = 0
        self._fault: Exception | None = None
        self._body: list[bytes] = []
        self._unpacked: _Unpacked | None = None
        self._parser = httptools.HttpResponseParser(self)
        # Two lengths, of which the chunks count (RFC 9112, 6.3), and lines that end with LF alone
        # (2.2): some servers send them, and what is read here is handed on to no other parser.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True, lenient_optional_cr_before_lf=True
        )

    def feed(self, received: bytes) -> Iterable[bytes]:
        """The pieces of the body that `received` brought; it is taken in at once.

        Args:
            received: nothing says that the connection has ended.

        Raises (what came before the fault is given first):
            ValueError: this is no HTTP, it ended too early, or it is not compressed as it says.
        """
        if received:
            self._parse(received)
        else:
            self._end()
        body, self._body = self._body, []
        if self._unpacked is None and self._fault is None:
            return body if len(body) < 2 else [b"".join(body)]  # noqa: PLR2004 (one, or none)
        return self._pieces(b"".join(body))

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        if self._unpacked is not None:
            yield from self._unpacked.feed(body)
        elif body:
            yield body
        if self._fault is not None:
            raise ValueError("this is no whole HTTP response") from self._fault
        if self._unpacked is not None and self.is_complete and not self._unpacked.is_complete:
            raise ValueError("the compressed body ended before its end")

    def _parse(self, received: bytes) -> None:
        if not self.status:
            self._head_bytes += len(received)
        try:
            self._parser.feed_data(received)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self.is_reusable = False
            if not self.is_complete:  # what follows a whole response is not read
                self._fault = fault
        if not self.status and self._head_bytes > MAX_HEAD_BYTES:
            self._fault = ValueError("the head is too long")

    def _end(self) -> None:
        if self._is_endless:
            self.is_complete = True
        elif not self.is_complete:
            self._fault = EOFError("the connection ended before the response did")

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        """A response; a second one answers nothing that was asked."""
        if self.is_complete:
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody asks for."""
        if self.status:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        known = self.headers.get(key)
        self.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """The head is there; one of 100 to 199 comes before another."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 (the first that is final)
            self.headers.clear()
            return
        self.status = status
        self.is_reusable = self._parser.should_keep_alive()
        coding = self.headers.get("transfer-encoding", "").lower()
        is_chunked, is_counted = coding.endswith("chunked"), "content-length" in self.headers
        is_bounded = is_chunked or is_counted
        if is_chunked and is_counted:
            self.is_reusable = False
        self._is_endless = not is_bounded and status not in WITHOUT_BODY
        packed = self.headers.get("content-encoding", "").lower()
        if packed not in PLAIN:
            self._unpacked = _Unpacked(packed)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.is_complete:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The body's end."""
        self.is_complete = bool(self.status)


class _Unpacked:
    """A compressed body, which Larder does not ask for and some send all the same.

    Raises:
        ValueError: nobody knows this compression.
    """

    def __init__(self, coding: str) -> None:
        if coding not in {"gzip", "x-gzip", "deflate"}:
            raise ValueError(f"a body compressed as {coding[:20]!r} was not asked for")
        self._zlib = zlib.decompressobj(GZIP_OR_ZLIB)

    @property
    def is_complete(self) -> bool:
        """Whether its end has come."""
        return self._zlib.eof

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What is in it, in pieces of a bounded size.

        Raises:
            ValueError: it is not compressed.
        """
        while packed:
            try:
                piece = self._zlib.decompress(packed, MAX_PIECE_BYTES)
            except zlib.error as fault:
                raise ValueError("the body is not compressed as it says") from fault
            packed = self._zlib.unconsumed_tail
            if piece:
                yield piece
            if self._zlib.eof and (packed := self._zlib.unused_data):  # of several members
                self._zlib = zlib.decompressobj(GZIP_OR_ZLIB)
