"""Warming: strategies run by hand, by a timer, or at a start; each run is recorded.

A failing read is counted and passed over, a failing strategy stops no other, and no request and no
start waits for either.
"""

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import structlog
from sqlalchemy import delete, select, update

from cache.extension import cache
from database.session import read_session
from database.tables.platform import WarmRun
from services.errors import Conflict, LarderError, NotFound
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from services.warming_strategies import STRATEGIES, Read, Strategy, chosen
from telemetry.ids import new_id

__all__ = [
    "Pace",
    "get_job",
    "list_strategies",
    "run",
    "start_job",
    "warm",
    "warm_at_start",
]

log = structlog.get_logger(__name__)
TOLD_EVERY_S = 1.0
KEPT = timedelta(days=30)
ABANDONED = timedelta(hours=1)
"""A run that began before then and has not ended is taken to have lost its worker."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run has come."""

    strategy: str
    done: int
    total: int
    failed: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of a worker a run may take: seconds in all, and seconds of rest after each read."""

    limit_s: float = float("inf")
    rest_s: float = 0.0

    def keep(self, taken_s: float) -> None:
        """Rest, or say that it has taken too long.

        Raises:
            TimeoutError: the limit is passed.
        """
        if taken_s > self.limit_s:
            raise TimeoutError(f"it took longer than {self.limit_s:g} s, and was ended")
        if self.rest_s:
            runtime().clock.sleep(self.rest_s)


UNHURRIED = Pace()
AT_START = Pace(limit_s=60.0, rest_s=0.002)


def run(names: Sequence[str] | None) -> Generator[Step, None, None]:
    """Run strategies one after another; a step for each read, so that progress can be shown.

    Raises:
        Invalid: there is no such strategy.
    """
    job = new_id()
    for strategy in chosen(names):
        yield from _run_one(strategy, job)


def warm(names: Sequence[str], *, job_id: str | None = None) -> None:
    """Run strategies to their end, and log how it went; one that fails stops no other.

    Raises:
        Invalid: there is no such strategy.
    """
    job = job_id or new_id()
    for strategy in chosen(names):
        _finish(strategy, job, UNHURRIED)


def warm_at_start(names: Sequence[str]) -> None:
    """Warm what a start is to have at hand, beside the first requests.

    The first worker of a start runs each strategy and keeps its record; with Redis what it loads is
    everybody's, without it each of the others fills its own memory. A strategy ends after a minute,
    and rests between reads, so that requests go first. Whatever fails is recorded and logged, and
    the worker serves all the same.

    Raises:
        Invalid: there is no such strategy.
    """
    job_id = str(uuid5(NAMESPACE_OID, runtime().instance))
    _tidy()
    for strategy in chosen(names):
        is_first = _claim(strategy.name, job_id)
        if is_first or cache.backend_in_use() == "memory":
            _finish(strategy, job_id if is_first else None, AT_START)


def start_job(names: Sequence[str] | None) -> dict[str, Any]:
    """Run strategies in the background.

    Returns:
        The job as `get_job` shows it.

    Raises:
        Invalid: there is no such strategy.
    """
    job_id = new_id()
    wanted = [each.name for each in chosen(names)]
    now = runtime().clock.now()
    with unit_of_work() as work:
        for name in wanted:
            work.session.add(
                WarmRun(job_id=job_id, strategy=name, status="waiting", started_at=now)
            )
    runtime().background.start(partial(warm, wanted, job_id=job_id))
    return get_job(job_id)


def get_job(job_id: str) -> dict[str, Any]:
    """A job's runs so far.

    Raises:
        NotFound: there is no such job.
    """
    with read_session() as session:
        rows = session.scalars(
            select(WarmRun).where(WarmRun.job_id == job_id).order_by(WarmRun.id)
        ).all()
    if not rows:
        raise NotFound.of("job", job_id)
    states = {row.status for row in rows}
    status = "running" if states & {"waiting", "running"} else "done"
    if status == "done" and "failed" in states:
        status = "failed"
    return {"job_id": job_id, "status": status, "runs": rows}


def list_strategies() -> dict[str, Any]:
    """All strategies with their last runs."""
    with read_session() as session:
        items = [
            {
                "strategy": each.name,
                "about": each.about,
                "last_run": session.scalar(
                    select(WarmRun)
                    .where(WarmRun.strategy == each.name)
                    .order_by(WarmRun.started_at.desc(), WarmRun.id.desc())
                    .limit(1)
                ),
            }
            for each in STRATEGIES.values()
        ]
    return {"items": items, "next_cursor": None}


def _finish(strategy: Strategy, job_id: str | None, pace: Pace) -> None:
    try:
        (last,) = deque(_run_one(strategy, job_id, pace), maxlen=1)
    except Exception:
        log.exception("cache_not_warmed", strategy=strategy.name)
    else:
        log.info("cache_warmed", strategy=strategy.name, reads=last.total, failed=last.failed)


def _run_one(
    strategy: Strategy, job_id: str | None, pace: Pace = UNHURRIED
) -> Generator[Step, None, None]:
    """Run a strategy; recorded under `job_id`, if it has one."""
    record = None if job_id is None else _Record(_begin(strategy.name, job_id))
    clock = runtime().clock
    began_s = clock.monotonic()
    done = failed = 0
    reads: Sequence[Read] = ()
    try:
        reads = strategy.reads()
        for read in reads:
            try:
                read()
            except LarderError:  # it went away since it was listed: nothing to warm
                failed += 1
            done += 1
            yield Step(strategy.name, done, len(reads), failed)
            pace.keep(clock.monotonic() - began_s)
            if record is not None:
                record.tell(done, len(reads))
    except BaseException as fault:  # an interrupted run, too, is not running any more
        if record is not None:
            record.end("failed", done, len(reads), (str(fault) or type(fault).__name__)[:500])
        raise
    if record is not None:
        record.end("done", done, len(reads), None)
    if not reads:
        yield Step(strategy.name, 0, 0, 0)


class _Record:
    """The row of one run: how far it has come is told once a second, so that others can see it."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._told_s = runtime().clock.monotonic()

    def tell(self, done: int, total: int) -> None:
        """Note how far it has come, unless that was just done."""
        now_s = runtime().clock.monotonic()
        if now_s - self._told_s < TOLD_EVERY_S:
            return
        self._told_s = now_s
        self._set(done=done, total=total)

    def end(self, status: str, done: int, total: int, error: str | None) -> None:
        """Note how it ended."""
        ended_at = runtime().clock.now()
        self._set(status=status, done=done, total=total, error=error, ended_at=ended_at)

    def _set(self, **fields: Any) -> None:
        with unit_of_work() as work:
            work.session.execute(update(WarmRun).where(WarmRun.id == self._run_id).values(**fields))


def _begin(name: str, job_id: str) -> str:
    with unit_of_work() as work:
        row = work.session.scalar(
            select(WarmRun).where(WarmRun.job_id == job_id, WarmRun.strategy == name)
        )
        if row is None:
            row = WarmRun(job_id=job_id, strategy=name, started_at=runtime().clock.now())
            work.session.add(row)
        row.status = "running"
        work.session.flush()  # its id is needed below
        return row.id


def _claim(name: str, job_id: str) -> bool:
    """Whether this worker is the first of its start to come to a strategy."""
    row = WarmRun(
        id=str(uuid5(NAMESPACE_OID, f"{job_id} {name}")),
        job_id=job_id,
        strategy=name,
        status="waiting",
        started_at=runtime().clock.now(),
    )
    with suppress(Conflict), unit_of_work() as work:
        work.session.add(row)
        work.session.flush()  # two of one id cannot be
        return True
    return False


def _tidy() -> None:
    """Drop old records; a run whose worker has died is not running any more."""
    now = runtime().clock.now()
    with unit_of_work() as work:
        work.session.execute(delete(WarmRun).where(WarmRun.started_at < now - KEPT))
        work.session.execute(
            update(WarmRun)
            .where(WarmRun.status.in_(["waiting", "running"]))
            .where(WarmRun.started_at < now - ABANDONED)
            .values(status="failed", error="its worker ended before it", ended_at=now)
        )
