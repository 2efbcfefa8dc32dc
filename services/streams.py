"""Streams as their owners see them: which run, read on from any event, stop.

A stream belongs to its user; anybody else's is not there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, text, update

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.session import read_connection, read_session
from database.tables.conversations import Stream
from schemas.page import DEFAULT_LIMIT
from schemas.streams import StreamSchema
from services.errors import Conflict, NotFound, Unavailable
from services.lost_streams import end_if_dead, end_may_come
from services.paging import decode_cursor, encode_cursor, page_of
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from streams.errors import StreamGone
from streams.reading import Reader

__all__ = ["get_stream", "join_stream", "list_active", "stop_stream", "stops_requested"]

LISTING = "streams"
# By the index of the running ones: a list of hundreds of ids takes longer to bind.
_TO_BE_STOPPED = select(Stream.id).where(text("status = 'running'"), Stream.is_stop_requested)
_ONE = StreamSchema()


@STREAMS.read("list")
def list_active(
    owner: UserId, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> dict[str, Any]:
    """A page of the running streams of `owner`, newest first.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    wanted = select(Stream).where(Stream.user_id == owner, Stream.status == "running")
    if cursor is not None:
        started_at, stream_id = decode_cursor(LISTING, cursor, (datetime, str))
        beside = and_(Stream.started_at == started_at, Stream.id < stream_id)
        wanted = wanted.where(or_(Stream.started_at < started_at, beside))
    with read_session() as session:
        rows = session.scalars(
            wanted.order_by(Stream.started_at.desc(), Stream.id.desc()).limit(limit + 1)
        ).all()
        return page_of(
            rows, limit, _ONE.dump, lambda row: encode_cursor(LISTING, [row.started_at, row.id])
        )


@STREAMS.read("detail")
def get_stream(owner: UserId, stream_id: str) -> dict[str, Any]:
    """One stream of `owner`.

    Raises:
        NotFound: `owner` has no such stream.
    """
    with read_session() as session:
        row = session.scalar(select(Stream).where(Stream.user_id == owner, Stream.id == stream_id))
        if row is None:
            raise NotFound.of("stream", stream_id)
        dumped: dict[str, Any] = _ONE.dump(row)
        return dumped


def join_stream(owner: UserId, stream_id: str, *, after: int) -> Reader | None:
    """Read a stream on from the event after `after` (-1: from its start).

    Returns:
        A reader of what came and what comes, or `None` when the stream has ended and its log is
        gone, or lacks the end for good, or was read to its end.

    Raises:
        NotFound: `owner` has no such stream.
        Unavailable: another worker writes it, and it cannot be followed from here just now.
    """
    stream = get_stream(owner, stream_id).value
    is_running = stream["status"] == "running"
    try:
        reader = runtime().streams.join(stream_id, after=after, is_expected=is_running)
    except StreamGone as gone:
        if not is_running or gone.reason == "ended":
            return None
        # A Redis that came back empty knows nothing of it until its worker has written all again.
        if gone.reason != "expired" or not end_if_dead(stream_id):
            raise Unavailable(
                "Another worker writes this stream, and Redis does not have it just now: come "
                "again, or read the message itself.",
                code="stream_elsewhere",
            ) from gone
        return None
    # Its worker could not write all of it: Redis was full, or away until the worker was.
    has_lost_end = not is_running and not reader.is_whole and not _end_may_come(stream)
    return None if has_lost_end else reader


def _end_may_come(stream: dict[str, Any]) -> bool:
    ended_at = stream["ended_at"]
    return end_may_come(None if ended_at is None else datetime.fromisoformat(ended_at))


def stop_stream(owner: UserId, stream_id: str) -> None:
    """Stop a stream; what was generated stays and is booked.

    Raises:
        NotFound: `owner` has no such stream.
        Conflict: it has ended already.
    """
    stream = get_stream(owner, stream_id).value
    if stream["status"] != "running":
        raise Conflict("This stream has ended.", code="stream_ended")
    if runtime().streams.stop(stream_id):
        return
    # Redis may die with what it was told: the worker that writes the stream looks at this mark too.
    with unit_of_work() as work:
        work.session.execute(
            update(Stream)
            .where(Stream.id == stream_id, Stream.user_id == owner)
            .values(is_stop_requested=True)
        )
        work.invalidates(STREAMS.of(owner))


def stops_requested(stream_ids: Sequence[str]) -> Collection[str]:
    """Which of these streams are to be stopped, by the marks of other workers."""
    with read_connection() as connection:
        marked = connection.scalars(_TO_BE_STOPPED).all()
    return set(marked).intersection(stream_ids)
