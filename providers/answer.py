"""An accepted answer as chunks, whatever its wire format: read to its end, or ended early."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

from providers.protocol import SILENCE, Chunk, ProviderBroken, ProviderError
from providers.reply import Reply
from providers.sse import ServerEvent, SseReader

__all__ = ["END", "Answer", "streamed", "unstreamed"]

END = Chunk()
"""In the place of a chunk: the provider has said all."""
BLANK = b"\xef\xbb\xbf \t\r\n"
"""The bytes before the first that counts: of a byte order mark, or white."""


class Answer:
    """The chunks of one answer.

    Args:
        reply: where they come from.
        chunks: gives them as they come.
    """

    def __init__(self, reply: Reply, chunks: Iterator[Chunk]) -> None:
        self._reply = reply
        self._chunks = chunks

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """End the call; nothing more comes."""
        self._reply.close()


def streamed(
    reply: Reply,
    chunk_of: Callable[[ServerEvent], Chunk | None],
    chunk_of_whole: Callable[[bytes], Chunk],
) -> Iterator[Chunk]:
    """The chunks of an answer to a request to stream; what came together is marked as such.

    Some answer with one JSON value, an error or what they cannot stream, and some call their events
    JSON, or nothing: by its first byte it is known, for no line of events begins as JSON does.
    Where nothing comes for a while, or no more than a ping, `SILENCE` is given.

    Args:
        reply: its bytes.
        chunk_of: an event's chunk, `None` for an event without one, `END` for the last.
        chunk_of_whole: the chunk of an answer that is one JSON value.

    Raises (when read):
        ProviderError: what these raise, after the chunks before it; a wait that is too long.
        ProviderBroken: the events ended before the answer did.
    """
    return chain.from_iterable(_told(reply, chunk_of, chunk_of_whole))


def unstreamed(reply: Reply, chunk_of_whole: Callable[[bytes], Chunk]) -> Iterator[Chunk]:
    """The one chunk of an answer that was not to be streamed.

    Raises (when read):
        ProviderError: what `chunk_of_whole` raises; a wait that is too long; it broke off.
    """
    yield chunk_of_whole(reply.whole().lstrip(BLANK))


def _told(
    reply: Reply,
    chunk_of: Callable[[ServerEvent], Chunk | None],
    chunk_of_whole: Callable[[bytes], Chunk],
) -> Iterator[Iterable[Chunk]]:
    """The chunks in one or the other form, handed on whole: no chunk passes through here."""
    pieces = reply.pieces(says_silence=True)
    begun = _begun(pieces)
    whole = chain([begun], pieces)
    if begun.startswith((b"{", b"[")):
        yield [chunk_of_whole(reply.whole(whole))]
    else:
        yield _of_events(reply, whole, chunk_of)


def _begun(pieces: Iterator[bytes]) -> bytes:
    """What comes up to the first piece with a byte that counts, without what is before that."""
    for piece in pieces:
        if begun := piece.lstrip(BLANK):
            return begun
    return b""


def _of_events(
    reply: Reply, pieces: Iterator[bytes], chunk_of: Callable[[ServerEvent], Chunk | None]
) -> Iterator[Chunk]:
    reader, has_begun, is_finished = SseReader(), False, False
    try:
        for piece in pieces:
            for chunk in _together(reader.feed(piece), chunk_of):
                if chunk is END:
                    _say_goodbye(reply, pieces, is_empty=not (has_begun or is_finished))
                    return
                if not has_begun and chunk.says_something:
                    has_begun = True
                    reply.note_beginning()
                is_finished = is_finished or chunk.finish_reason is not None
                yield chunk
    except ProviderBroken:
        if is_finished:  # all was said; only the goodbye is missing
            return
        raise
    finally:
        reply.close()
    if not is_finished:
        raise ProviderBroken("The provider's answer ended before its end.")


def _together(
    events: Iterable[ServerEvent], chunk_of: Callable[[ServerEvent], Chunk | None]
) -> Iterator[Chunk]:
    """The chunks of events that came together, each that another follows marked; or `SILENCE`."""
    ready: Chunk | None = None
    try:
        for event in events:
            chunk = chunk_of(event)
            if chunk is None:
                continue
            if ready is not None:
                ready.is_followed = chunk is not END
                yield ready
            ready = chunk
            if chunk is END:
                break
    except ProviderError:
        if ready is not None:
            yield ready
        raise
    yield SILENCE if ready is None else ready


def _say_goodbye(reply: Reply, pieces: Iterator[bytes], *, is_empty: bool) -> None:
    """Read the end of the body if it is there: then the connection serves the next call too.

    Raises:
        ProviderBroken: nothing was said before it; another try may have the answer.
    """
    reply.hurry()
    with suppress(ProviderError):
        next(pieces, None)
    if is_empty:
        raise ProviderBroken("The provider's answer was empty.")
