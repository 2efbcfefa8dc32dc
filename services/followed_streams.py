"""Another call's stream, read to its end by whoever cannot be asked to come again.

An EventSource comes back with the last id that it had; a client of `/v1` has no ids, and takes an
answer that just stops for a whole one.
"""

from collections.abc import Iterator, Sequence

from services.runtime import runtime
from streams.engine import StreamEngine
from streams.errors import StreamGone
from streams.events import Event, problem_draft
from streams.reading import Reader

__all__ = ["followed"]

MOST_JOINS = 5
"""Of another worker's stream, while Redis comes and goes."""
OUT_OF_SIGHT = problem_draft(
    "stream_elsewhere",
    "Stream out of sight",
    retryable=True,
    status=503,
    detail="Another worker writes this answer, and it can no longer be followed from here.",
)


def followed(reader: Reader) -> Iterator[Sequence[Event]]:
    """The batches of a stream to its last event, its own or an error.

    Where it is lost from sight it is joined again, after what the reader has had. Only the call
    needs the application's context.
    """
    return _to_its_end(runtime().streams, reader)


def _to_its_end(streams: StreamEngine, reader: Reader) -> Iterator[Sequence[Event]]:
    for _ in range(MOST_JOINS):
        for batch in reader.batches():
            yield batch
            if batch and batch[-1].terminal:
                return
        if not reader.was_cut:
            return
        try:
            reader = streams.join(reader.stream_id, after=reader.position, is_expected=True)
        except StreamGone:
            break
    yield [Event(reader.position + 1, OUT_OF_SIGHT.name, OUT_OF_SIGHT.data, terminal=True)]
