"""The row of a running stream: any worker knows by it whose it is, and may end it if it is lost."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, insert, update

from cache.namespaces import CONVERSATIONS
from database.tables.conversations import Stream
from services import rate_limits
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork

__all__ = ["begin_stream", "end_stream"]

_STREAMS = Stream.metadata.tables[Stream.__tablename__]
# By table and with parameters: as objects they would cost every call a millisecond.
_BEGIN = insert(_STREAMS)
_END = (
    update(_STREAMS)
    .where(_STREAMS.c.id == bindparam("stream_id"))
    .values(status="ended", ended_at=bindparam("now"))
)


def begin_stream(work: UnitOfWork, principal: Principal, row: Mapping[str, Any]) -> None:
    """Note a running stream of this worker, within `work`.

    Args:
        work: the transaction.
        principal: whose it is.
        row: what the stream is, by column.

    Raises:
        RateLimited: the key has as many answers under way as it may.
    """
    rate_limits.check_running(work, principal)
    whose = {
        "user_id": principal.user_id,
        "key_id": principal.key_id,
        "workspace_id": principal.workspace_id,
        "worker": runtime().worker,
        "status": "running",
    }
    work.connection(Stream).execute(_BEGIN, {**whose, **row})
    work.invalidates(CONVERSATIONS.of(principal.user_id))


def end_stream(work: UnitOfWork, principal: Principal, stream_id: str) -> None:
    """Note that a stream has ended, within `work`."""
    ended = {"stream_id": stream_id, "now": runtime().clock.now()}
    work.connection(Stream).execute(_END, ended)
    work.invalidates(CONVERSATIONS.of(principal.user_id))
