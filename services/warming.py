"""Warming: named strategies that read what will be asked for, through the cache itself.

A strategy is a list of reads, so what it leaves behind is exactly what requests would have left,
under the same keys and stamps. A run is recorded; a failing read is counted and passed over.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import func, select

from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Conversation
from database.tables.models import CatalogueModel, ModelAlias
from database.tables.platform import WarmRun
from schemas.conversations import ConversationQuery
from schemas.models import ModelQuery
from services import completions, model_routes, models, providers
from services.conversations import folders, threads
from services.costs import pricing
from services.errors import Invalid, LarderError, NotFound
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from telemetry.ids import new_id

__all__ = ["STRATEGIES", "Strategy", "get_job", "list_strategies", "run", "start_job", "warm"]

log = structlog.get_logger(__name__)
DEFAULT_LIMIT = 50
RECENT = timedelta(days=7)
MAX_USERS = 1000
MAX_MODELS = 5000
Read = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A name, what it warms in words, and the reads that do it."""

    name: str
    about: str
    reads: Callable[[], Sequence[Read]]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run has come."""

    strategy: str
    done: int
    total: int
    failed: int


def _catalogue() -> Sequence[Read]:
    first = ModelQuery(limit=DEFAULT_LIMIT)
    reads: list[Read] = [
        lambda: models.list_models(first, sees_disabled=False),
        lambda: models.list_models(first, sees_disabled=True),
        lambda: providers.list_providers(DEFAULT_LIMIT, None),
        completions.list_models,
    ]
    routed = [*_model_ids(), *_alias_ids()]
    return [*reads, *(partial(model_routes.find_routing, each) for each in routed)]


def _prices() -> Sequence[Read]:
    return [partial(pricing.load_price_list, each) for each in _model_ids()]


def _recent_users() -> Sequence[Read]:
    since = runtime().clock.now() - RECENT
    with read_session() as session:
        users = session.scalars(
            select(Conversation.user_id)
            .where(Conversation.active_at >= since)
            .group_by(Conversation.user_id)
            .order_by(func.max(Conversation.active_at).desc())
            .limit(MAX_USERS)
        ).all()
    first = ConversationQuery(limit=DEFAULT_LIMIT)
    reads: list[Read] = []
    for user in users:
        owner = UserId(user)
        reads.append(partial(folders.list_folders, owner))
        reads.append(partial(threads.list_conversations, owner, first))
    return reads


def _model_ids() -> Sequence[str]:
    with read_session() as session:
        return session.scalars(
            select(CatalogueModel.id)
            .where(CatalogueModel.status != "disabled")
            .order_by(CatalogueModel.id)
            .limit(MAX_MODELS)
        ).all()


def _alias_ids() -> Sequence[str]:
    with read_session() as session:
        in_use = select(ModelAlias.id).where(ModelAlias.status != "disabled")
        return session.scalars(in_use.order_by(ModelAlias.id).limit(MAX_MODELS)).all()


STRATEGIES: Mapping[str, Strategy] = {
    each.name: each
    for each in (
        Strategy(
            "catalogue", "the lists of models and providers, and how each is reached", _catalogue
        ),
        Strategy("prices", "the price of every model", _prices),
        Strategy(
            "recent-users",
            "folders and first conversations of everyone active in the last seven days",
            _recent_users,
        ),
    )
}


def chosen(names: Sequence[str] | None) -> list[Strategy]:
    """The strategies of these names; all for none, or for `all`.

    Raises:
        Invalid: there is no such strategy.
    """
    if not names or "all" in names:
        return list(STRATEGIES.values())
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown:
        known = ", ".join(STRATEGIES)
        raise Invalid.field("strategies", f"There is no strategy {unknown[0]}: there are {known}.")
    return [STRATEGIES[name] for name in dict.fromkeys(names)]


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
        try:
            (last,) = deque(_run_one(strategy, job), maxlen=1)
        except Exception:
            log.exception("cache_not_warmed", strategy=strategy.name)
        else:
            log.info("cache_warmed", strategy=strategy.name, reads=last.total, failed=last.failed)


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
    runtime().in_background(partial(warm, wanted, job_id=job_id))
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


def _run_one(strategy: Strategy, job_id: str) -> Iterator[Step]:
    run_id = _begin(strategy.name, job_id)
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
    except BaseException as fault:  # an interrupted run, too, is not running any more
        _end(run_id, "failed", done, len(reads), (str(fault) or type(fault).__name__)[:500])
        raise
    _end(run_id, "done", done, len(reads), None)
    if not reads:
        yield Step(strategy.name, 0, 0, 0)


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


def _end(run_id: str, status: str, done: int, total: int, error: str | None) -> None:
    with unit_of_work() as work:
        row = work.session.get(WarmRun, run_id)
        if row is not None:
            row.status, row.done, row.total, row.error = status, done, total, error
            row.ended_at = runtime().clock.now()
