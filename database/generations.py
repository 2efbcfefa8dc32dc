"""Generations: one number a scope, raised in the transaction of every write to it.

They decide what the cache may serve (`docs/caching.md`). A new generation is the larger of
old + 1 and the clock in microseconds, so that a bump after a restore is above all that was before.
"""

import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import psycopg
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    String,
    delete,
    event,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from database import driver
from database.freshness.postgres import PostgresFreshness, connect
from database.freshness.sqlite import SqliteFreshness
from database.session import BUSY_TIMEOUT_MS, Base, db, sqlite_file, write_transaction
from database.triggers import postgres, sqlite
from database.triggers.declared import come_with
from telemetry.clock import Clock

__all__ = ["CacheGeneration", "GenerationsOutOfReach", "SqlGenerations", "bump", "purge"]

STRIPE = "#"


class CacheGeneration(Base):
    """The generation of one scope; a missing row reads as 0."""

    __tablename__ = "cache_generations"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 (SQLAlchemy's own form)

    scope: Mapped[str] = mapped_column(String(200), primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    bumped_us: Mapped[int] = mapped_column(BigInteger)


come_with(Base.metadata)


class GenerationsOutOfReach(Exception):
    """The database could not say what is fresh."""


class _Freshness(Protocol):
    def current(self, scopes: Sequence[str]) -> Mapping[str, int]: ...

    def close(self) -> None: ...


def _unheard(statement: str) -> None:
    del statement


class SqlGenerations:
    """The table's side of the cache's `GenerationStore`.

    The first call needs the application's context, later ones do not. `on_statement` is told what
    the database is asked by `current`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._freshness: _Freshness | None = None
        self.on_statement: Callable[[str], None] = _unheard

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The committed generation of each of `scopes`, on a snapshot that begins now.

        Raises:
            GenerationsOutOfReach: the database did not answer.
        """
        try:
            if self._freshness is None:
                self._freshness = self._of(db.engine)
            return self._freshness.current(scopes)
        except (sqlite3.Error, psycopg.Error, SQLAlchemyError, OSError) as fault:
            raise GenerationsOutOfReach("the database did not answer") from fault

    def bump(self, scopes: Sequence[str]) -> None:
        """Raise these rows in a transaction of its own."""
        with write_transaction() as (connection, transaction):
            bump(connection, dict.fromkeys(scopes, 1), self._clock)
            transaction.commit()

    def _of(self, engine: Engine) -> _Freshness:
        def tell(statement: str) -> None:
            self.on_statement(statement)

        freshness: _Freshness
        if engine.dialect.name == "postgresql":
            arguments, options = engine.dialect.create_connect_args(engine.url)
            open_one = partial(connect, *arguments, **options)
            freshness = PostgresFreshness(open_one, on_statement=tell)
        else:
            freshness = SqliteFreshness(
                sqlite_file(engine), busy_timeout_s=BUSY_TIMEOUT_MS / 1000, on_statement=tell
            )
        event.listen(engine, "engine_disposed", lambda _: freshness.close())
        return freshness


def bump(connection: Connection, scopes: Mapping[str, int], clock: Clock) -> None:
    """Raise the generation of each scope, in `connection`'s transaction, in sorted order.

    Args:
        connection: the writing one; these are to be its last statements.
        scopes: names with their number of stripes; of a striped scope one row is raised.
        clock: gives the floor of the new generations, in microseconds.
    """
    if not scopes:
        return
    now_us = int(clock.now().timestamp() * 1_000_000)
    names = sorted(
        name if stripes == 1 else f"{name}{STRIPE}{random.randrange(stripes)}"  # noqa: S311
        for name, stripes in scopes.items()
    )
    if connection.dialect.name == "postgresql":
        driver.execute(connection, postgres.BUMP, (names, now_us))
    else:
        driver.execute_many(connection, sqlite.BUMP, [(name, now_us, now_us) for name in names])


def purge(session: Session, namespaces: Iterable[str], before: datetime, *, limit: int) -> int:
    """Delete the rows of owners' scopes that were last bumped before an instant.

    A row that is just being bumped is left alone, and nobody waits for it.

    Args:
        session: the writing session.
        namespaces: whose owners.
        before: no entry that was made before then may be left anywhere.
        limit: how many rows at most.

    Returns:
        How many there were.
    """
    owners = [CacheGeneration.scope.startswith(f"{each}:", autoescape=True) for each in namespaces]
    idle = (
        select(CacheGeneration.scope)
        .where(CacheGeneration.bumped_us < int(before.timestamp() * 1_000_000), or_(*owners))
        .order_by(CacheGeneration.scope)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    scopes = session.scalars(idle).all()
    session.execute(delete(CacheGeneration).where(CacheGeneration.scope.in_(scopes)))
    return len(scopes)
