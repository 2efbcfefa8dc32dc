"""The row of a running stream: any worker knows by it whose it is, and may end it if it is lost."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Select, bindparam, insert, select, update

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.prepared import Prepared
from database.session import read_session
from database.tables.conversations import Stream
from services import rate_limits
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork

__all__ = ["Streamed", "begin_stream", "end_stream", "owner_and_model", "stop_within"]

_STREAMS = Stream.metadata.tables[Stream.__tablename__]
_ROW = (
    "id",
    "user_id",
    "key_id",
    "workspace_id",
    "conversation_id",
    "message_id",
    "model_id",
    "alias_id",
    "endpoint",
    "worker",
    "input_estimate",
    "copy_of",
    "started_at",
)
_BEGIN = Prepared(
    lambda _: insert(_STREAMS).values(
        {name: bindparam(name) for name in _ROW} | {"status": "running", "is_stop_requested": False}
    ),
    _ROW,
)
_END = Prepared(
    lambda _: (
        update(_STREAMS)
        .where(_STREAMS.c.id == bindparam("stream_id"))
        .values(status="ended", ended_at=bindparam("now"))
    ),
    ("stream_id", "now"),
)


class Streamed(Protocol):
    """What is about to be streamed: a call, or a copy of another's answer."""

    @property
    def call_id(self) -> str:
        """Its id, and the stream's."""
        ...

    @property
    def principal(self) -> Principal:
        """Who asked."""
        ...

    @property
    def conversation_id(self) -> str | None:
        """Where it belongs, if it does."""
        ...

    @property
    def message_id(self) -> str | None:
        """What it fills, if anything."""
        ...

    @property
    def model_id(self) -> str:
        """Which model answers."""
        ...

    @property
    def alias_id(self) -> str | None:
        """What was asked for, where that is an alias."""
        ...

    @property
    def endpoint(self) -> str:
        """The way it came, as the ledger has it."""
        ...

    @property
    def called_at(self) -> datetime:
        """When it was asked for, UTC."""
        ...


def begin_stream(
    work: UnitOfWork, streamed: Streamed, *, input_estimate: int = 0, copy_of: str | None = None
) -> None:
    """Note a running stream of this worker, within `work`.

    Args:
        work: the transaction.
        streamed: what the stream is of.
        input_estimate: the prompt's tokens, for a stream that is lost before anybody counts them.
        copy_of: the call whose answer it copies, if it is no call of its own.

    Raises:
        RateLimited: the key has as many answers under way as it may.
    """
    principal = streamed.principal
    rate_limits.check_running(work, principal)
    row = {
        "id": streamed.call_id,
        "user_id": principal.user_id,
        "key_id": principal.key_id,
        "workspace_id": principal.workspace_id,
        "conversation_id": streamed.conversation_id,
        "message_id": streamed.message_id,
        "model_id": streamed.model_id,
        "alias_id": streamed.alias_id,
        "endpoint": streamed.endpoint,
        "worker": runtime().worker,
        "input_estimate": input_estimate,
        "copy_of": copy_of,
        "started_at": streamed.called_at,
    }
    _BEGIN.run(work.connection(Stream), row)
    work.invalidates(STREAMS.of(principal.user_id))


def end_stream(work: UnitOfWork, principal: Principal, stream_id: str) -> None:
    """Note that a stream has ended, within `work`."""
    ended = {"stream_id": stream_id, "now": runtime().clock.now()}
    _END.run(work.connection(Stream), ended)
    work.invalidates(STREAMS.of(principal.user_id))


def stop_within(work: UnitOfWork, owner: UserId, conversations: Select[str]) -> None:
    """Have the answers under way in conversations that are about to be deleted stop.

    Their rows stay, for those go with the conversation: a call that nobody could stop any more, nor
    count as under way, would go on spending.

    Args:
        work: the transaction that deletes.
        owner: whose they are.
        conversations: selects their ids.
    """
    running = work.session.scalars(
        select(Stream.id).where(
            Stream.conversation_id.in_(conversations), Stream.status == "running"
        )
    ).all()
    if running:
        work.session.execute(
            update(Stream)
            .where(Stream.id.in_(running))
            .values(conversation_id=None, is_stop_requested=True)
        )
        work.invalidates(STREAMS.of(owner))
        work.after_commit(lambda: _stop(running))


def _stop(stream_ids: Sequence[str]) -> None:
    """Those that can be told; the workers of the others find the marks."""
    for each in stream_ids:
        runtime().streams.stop(each)


def owner_and_model(stream_id: str) -> tuple[str | None, str | None]:
    """Whose a stream is, and of which model; from its first event on that is settled."""
    with read_session() as session:
        found = session.execute(
            select(Stream.user_id, Stream.model_id).where(Stream.id == stream_id)
        ).one_or_none()
    return (None, None) if found is None else (found.user_id, found.model_id)
