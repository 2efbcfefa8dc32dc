"""Tickets to read one stream: for a browser's EventSource, which cannot send an API key.

A ticket stands in the stream's address, so it is worth little: it reads one stream of one user for
as long as that stream can last, and as long as the key that it was made with opens the stream
itself. It is signed, not stored.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from cache.scopes import UserId
from schemas.streams import TicketSchema
from services.authentication import principal_behind
from services.errors import Unauthenticated
from services.principal import Principal
from services.runtime import runtime
from services.streams import get_stream

__all__ = ["issue_ticket", "owner_of"]

PARTS = 3
PERMISSION = "streams:read"
MAX_DIGITS = 12


def issue_ticket(principal: Principal, stream_id: str) -> dict[str, Any]:
    """A ticket for a stream of the caller's, with the address that it opens.

    Raises:
        NotFound: the caller has no such stream.
    """
    stream = get_stream(principal.user_id, stream_id).value
    settings = runtime().settings
    lasts_s = settings.provider_total_timeout_s + settings.stream_log_ttl_s
    ends_at = runtime().clock.now().replace(microsecond=0) + timedelta(seconds=round(lasts_s))
    ends = f"{ends_at.timestamp():.0f}"
    signature = runtime().secrets.sign_ticket(_words(stream["id"], principal.key_id, ends))
    ticket = f"{ends}.{principal.key_id}.{signature}"
    path = f"/api/streams/{stream['id']}?ticket={ticket}"
    dumped: dict[str, Any] = TicketSchema().dump(
        {"ticket": ticket, "path": path, "expires_at": ends_at}
    )
    return dumped


def owner_of(ticket: str, stream_id: str) -> UserId:
    """Whose stream it is that `ticket` opens.

    Raises:
        Unauthenticated: it is no ticket for this stream, or it has run out, or its key may not
            read the stream any more.
    """
    ends, key_id, signature = [*ticket.split("."), "", "", ""][:PARTS]
    is_number = ends.isascii() and ends.isdigit() and len(ends) <= MAX_DIGITS
    if not is_number or not runtime().secrets.is_ticket(_words(stream_id, key_id, ends), signature):
        raise Unauthenticated("This ticket is not valid for this stream.", code="invalid_ticket")
    if datetime.fromtimestamp(int(ends), UTC) <= runtime().clock.now():
        raise Unauthenticated("This ticket has run out.", code="expired_ticket")
    principal = principal_behind(key_id)
    if principal is None or not principal.may(PERMISSION):
        raise Unauthenticated("This ticket's key opens no streams any more.", code="invalid_ticket")
    return principal.user_id


def _words(stream_id: str, key_id: str, ends: str) -> str:
    return f"{ends}.{key_id}.{stream_id}"
