"""The chunked transfer coding of HTTP/1.1, read: bytes in, body out, no I/O.

RFC 9112, 7.1. HTTP libraries hand on one chunk at a time, and a provider sends a chunk a token;
here the chunks that arrived together come out together: a burst of tokens makes that worth while.
"""

__all__ = ["ChunkedBody"]

MAX_LINE_BYTES = 8192


class ChunkedBody:
    """Takes a body's bytes as they arrive; `is_complete` once its end has come."""

    def __init__(self) -> None:
        self.is_complete = False
        self._rest = b""
        self._left_bytes = 0
        self._is_behind_chunk = False
        self._is_in_trailer = False

    def feed(self, received: bytes) -> bytes:
        """The part of the body that `received` brought, perhaps none.

        Raises:
            ValueError: this is not the chunked coding.
        """
        raw = self._rest + received if self._rest else received
        parts: list[bytes] = []
        at = 0
        while not self.is_complete:
            if self._left_bytes:
                part = raw[at : at + self._left_bytes]
                at += len(part)
                parts.append(part)
                self._left_bytes -= len(part)
                if self._left_bytes:
                    break
                self._is_behind_chunk = True
            end = raw.find(b"\n", at)
            if end < 0:
                break
            self._take_line(raw[at:end].rstrip(b"\r"))
            at = end + 1
        self._rest = raw[at:]
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError("a line of the chunked coding is too long")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_line(self, line: bytes) -> None:
        """A chunk's size, the empty line behind a chunk, or a line of the trailer."""
        if self._is_behind_chunk:
            if line:
                raise ValueError("a chunk is longer than it said")
            self._is_behind_chunk = False
        elif self._is_in_trailer:
            self.is_complete = not line
        else:
            size = line.partition(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise ValueError("a chunk does not say its size")
            self._left_bytes = int(size, 16)
            self._is_in_trailer = not self._left_bytes
