"""Streams over SSE: read on from any event, list what runs, stop."""

from typing import Any

from flask import Response

from blueprints.http.auth import require, require_or_ticket
from blueprints.http.bodies import Routes, query, returns
from blueprints.http.caching import cached_response, uncached
from blueprints.http.event_stream import event_stream
from blueprints.http.idempotency import repeatable
from blueprints.http.notes import Header, takes
from cache.results import CachedResult
from schemas.streams import ActiveQuerySchema, ResumeQuerySchema, StreamsSchema, TicketSchema
from services import stream_tickets, streams
from services.errors import Invalid
from services.principal import Principal, UserId
from streams import sse

__all__ = ["routes"]

routes = Routes("streams", "/api/streams", "Answers on their way.")

MAX_ID_DIGITS = 15
LAST_EVENT_ID = Header(
    "Last-Event-ID",
    "The last event that the client has; it goes before `after`.",
    schema={"type": "integer", "minimum": 0, "maximum": 10**MAX_ID_DIGITS - 1},
)


@routes.get("")
@require("streams:read")
@query(ActiveQuerySchema)
@returns(StreamsSchema)
@cached_response
def list_streams(principal: Principal, asked: dict[str, Any]) -> CachedResult[dict[str, Any]]:
    """List the caller's running streams."""
    if not asked["active"]:
        raise Invalid.field("active", "Only running streams are listed: leave it out or say true.")
    return streams.list_active(principal.user_id, asked["limit"], asked["cursor"])


@routes.get("/<stream_id>")
@uncached("a live stream of events")
@require_or_ticket("streams:read", stream_tickets.owner_of)
@query(ResumeQuerySchema)
@returns(
    media_type="text/event-stream",
    description="The events after the one named.",
    or_nothing="Nothing more will come.",
)
@takes(LAST_EVENT_ID)
def join_stream(
    owner: UserId, asked: dict[str, Any], stream_id: str, last_event_id: str | None
) -> Response | None:
    """Read a stream on, from any worker; 204 when there is nothing more to come."""
    reader = streams.join_stream(owner, stream_id, after=_after(last_event_id, asked["after"]))
    if reader is None:
        return None
    return event_stream(sse.encode_stream(reader.batches()))


@routes.post("/<stream_id>/tickets")
@require("streams:read")
@repeatable("one ticket more opens nothing more")
@returns(TicketSchema, status=201)
def issue_ticket(principal: Principal, stream_id: str) -> dict[str, Any]:
    """Make a ticket that reads this stream: for an EventSource, which can send no key."""
    return stream_tickets.issue_ticket(principal, stream_id)


@routes.delete("/<stream_id>")
@require("streams:write")
@returns(status=204)
def stop_stream(principal: Principal, stream_id: str) -> None:
    """Stop an answer; what was generated stays and is booked."""
    streams.stop_stream(principal.user_id, stream_id)


def _after(given: str | None, asked: int | None) -> int:
    """The last event the client has: `Last-Event-ID` where it is sent, else `?after=`."""
    header = (given or "").strip()
    if not header:
        return -1 if asked is None else asked
    if not (header.isascii() and header.isdigit() and len(header) <= MAX_ID_DIGITS):
        raise Invalid.field("Last-Event-ID", "Must be the id of an event of this stream.")
    return int(header)
