"""One transaction a write: rows change, the scopes that changed are bumped, then one commit.

Leaving the block by an error rolls all of it back. Only after the commit is a write acknowledged;
what follows it is best effort. A table that was written without one of its namespaces named is a
programming error and fails the write: no read could be trusted to see it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import Connection, RootTransaction, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session

from cache.extension import cache
from cache.scopes import Scope
from cache.transactions import writing
from database.generations import bump
from database.session import Base, write_transaction
from services.errors import Conflict
from services.runtime import runtime

__all__ = ["ForgottenInvalidation", "UnitOfWork", "unit_of_work"]

log = structlog.get_logger(__name__)
WORK = "larder_unit_of_work"
"""Where a session has the unit of work that its events report to."""


class ForgottenInvalidation(RuntimeError):
    """A table was written, but no scope of a namespace it is read through was named."""


class UnitOfWork:
    """What a service holds while it writes."""

    def __init__(self, connection: Connection, transaction: RootTransaction) -> None:
        self._connection = connection
        self._transaction = transaction
        self._session: Session | None = None
        self._scopes: dict[str, int] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._written: dict[str, tuple[str, ...]] = {}

    @property
    def session(self) -> Session:
        """The transaction's session; made when it is wanted, since it costs as much as a write."""
        if self._session is None:
            self._session = Session(self._connection, expire_on_commit=False)
            self._session.info[WORK] = self  # once for all sessions, not anew for each
        return self._session

    def invalidates(self, *scopes: Scope) -> None:
        """Name scopes that this write changes; they are bumped in its transaction."""
        for scope in scopes:
            self._scopes[scope.name] = scope.stripes

    def connection(self, *tables: type[Base]) -> Connection:
        """The transaction's connection, for statements that need no session.

        Running one through a session takes as long again.

        Args:
            tables: what is written through it, since no event reports that.
        """
        for table in tables:
            _note(self, table)
        return self._connection

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` once the write is durable; its failure is logged and changes nothing."""
        self._callbacks.append(callback)

    def wrote(self, table: str, namespaces: tuple[str, ...]) -> None:
        """Note that a table was written; the session's events call this."""
        self._written[table] = namespaces

    def _check(self) -> None:
        named = {scope.partition(":")[0] for scope in self._scopes}
        named |= {scope.removeprefix("ns:") for scope in self._scopes if scope.startswith("ns:")}
        for table, namespaces in self._written.items():
            missing = [each for each in namespaces if each not in named]
            if missing and "*" not in self._scopes:
                raise ForgottenInvalidation(f"{table} was written, {missing} not invalidated")

    def _finish(self) -> None:
        if self._session is not None:
            self._session.flush()  # so that every written table is known before the check
        self._check()
        bump(self._connection, self._scopes, runtime().clock)
        self._transaction.commit()

    def _close(self) -> None:
        """Let go of the rows."""
        if self._session is not None:
            self._session.close()

    def _follow(self) -> None:
        cache.forget_generations()
        if self._scopes:
            cache.invalidated(list(self._scopes))
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                log.exception("after_commit_failed")


@contextmanager
def unit_of_work() -> Iterator[UnitOfWork]:
    """Open the transaction of one write; commit at the block's end, roll back on any error.

    Raises:
        Conflict: the database's own constraints refuse the change.
        ForgottenInvalidation: a table was written without its namespace named.
    """
    with writing(), write_transaction() as opened:
        work = UnitOfWork(*opened)
        try:
            yield work
            work._finish()  # noqa: SLF001 (the two are one)
        except IntegrityError as fault:
            raise Conflict("The change contradicts what is stored.") from fault
        finally:
            work._close()  # noqa: SLF001 (likewise)
    work._follow()  # noqa: SLF001


@event.listens_for(Session, "before_flush")
def _on_flush(session: Session, context: Any, instances: Any) -> None:
    """Note the tables that are written by objects."""
    del context, instances
    work = session.info.get(WORK)
    if work is None:
        return
    for row in (*session.new, *session.deleted):
        _note(work, type(row))
    for row in session.dirty:
        if session.is_modified(row):
            _note(work, type(row))


@event.listens_for(Session, "do_orm_execute")
def _on_execute(state: ORMExecuteState) -> None:
    """Note the tables that are written by bulk statements."""
    work = state.session.info.get(WORK)
    if work is not None and (state.is_insert or state.is_update or state.is_delete):
        for table in _written(state):
            _note(work, table)


def _written(state: ORMExecuteState) -> Iterable[type]:
    """The mapped classes that a statement writes, whether it names them or their tables."""
    if state.is_orm_statement:
        return [mapper.class_ for mapper in state.all_mappers]
    return _classes_of(getattr(state.statement, "table", None))


@lru_cache
def _classes_of(table: object) -> Sequence[type]:
    return [each.class_ for each in Base.registry.mappers if each.local_table is table]


def _note(work: UnitOfWork, table: type) -> None:
    namespaces = _namespaces_of(table)
    if namespaces:
        work.wrote(table.__name__, namespaces)


@lru_cache
def _namespaces_of(table: type) -> tuple[str, ...]:
    # Rows of other tables that belong to a row may be none.
    scopes = [each for each in getattr(table, "cached_in", ()) if not each.table]
    return tuple(dict.fromkeys(each.namespace for each in scopes))
