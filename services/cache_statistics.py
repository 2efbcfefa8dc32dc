"""The cache's figures over all workers and machines, since the start or the last reset.

The workers of this machine share live counters. Once a minute, and when a worker ends, one of them
writes the machine's sums into the database, beside the requests; so whoever is asked speaks for
all, and a restart loses nothing. A reset keeps a baseline and takes it off.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from cache.extension import VIEWS_NAMESPACE, cache
from cache.inspection import EntryCount, Inspector
from cache.namespaces import NAMESPACES
from cache.statistics import Figures, minus
from cache.sweeping import sweep
from database.session import read_session
from database.tables.platform import CacheStatistics
from services import audit_logs, cache_windows
from services.cache_advice import advice
from services.cache_figures import added, by_namespace, by_resource, in_all, in_window
from services.errors import Conflict
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "Seen",
    "advice_on",
    "held",
    "publish_statistics",
    "read_statistics",
    "reset_statistics",
    "seen",
    "tick",
]

BASELINE, ENDED = "baseline", "ended"
GROUPS = (*NAMESPACES, VIEWS_NAMESPACE)
OF_A_RESOURCE = (
    "reads",
    "hits",
    "misses",
    "bypasses",
    "stale_served",
    "hit_ratio",
    "misses_by_reason",
    "fills",
    "reloads_unchanged",
    "reloads_changed",
    "ended_unused",
    "ended_used",
)
IDLE = timedelta(hours=1)
"""How often a machine on which nothing was counted writes its sums all the same: it still runs."""
FOLDED = timedelta(days=7)
"""How long a start has written nothing when its sums are put to those of others."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted, by namespace: since the last reset, and in each window."""

    since: datetime | None
    counts: dict[str, Figures]
    windows: dict[str, tuple[datetime, dict[str, Figures]]]
    errors: dict[str, int]

    def in_all(self) -> dict[str, Any]:
        """The figures of all namespaces together."""
        lately = {
            name: in_window(since, added(counts.values()))
            for name, (since, counts) in self.windows.items()
        }
        return in_all(added(self.counts.values())) | {"windows": lately}

    def of(self, namespace: str) -> dict[str, Any]:
        """The figures of one namespace, and of each of its resources."""
        counts = self.counts.get(namespace, {})
        lately = {
            name: (since, groups.get(namespace, {}))
            for name, (since, groups) in self.windows.items()
        }
        parts = {name: by_resource(group) for name, (_, group) in lately.items()}
        return {
            **in_all(counts),
            "windows": {name: in_window(*group) for name, group in lately.items()},
            "resources": [
                {
                    "resource": resource,
                    **{key: value for key, value in in_all(part).items() if key in OF_A_RESOURCE},
                    "windows": {
                        name: in_window(since, parts[name].get(resource, {}))
                        for name, (since, _) in lately.items()
                    },
                }
                for resource, part in sorted(by_resource(counts).items())
            ],
        }


def seen() -> Seen:
    """Everything counted so far, over all workers and machines."""
    with read_session() as session:
        rows = {row.instance: row for row in session.scalars(select(CacheStatistics))}
        baseline, mine = rows.pop(BASELINE, None), rows.pop(runtime().instance, None)
        live = cache.engine.statistics.snapshot()
        running = _grown(live, {} if mine is None else mine.figures)
        windows = cache_windows.read_windows(session, running)
    totals = added([live, *(row.figures for row in rows.values())])
    since_reset = totals if baseline is None else minus(totals, baseline.figures)
    errors: dict[str, int] = {}
    for name, value in since_reset.items():
        kind, *_, error = name.split("|")
        if kind == "errors":
            errors[error] = errors.get(error, 0) + int(value)
    return Seen(
        since=None if baseline is None else baseline.recorded_at,
        counts=_known(since_reset),
        windows={name: (since, _known(counts)) for name, (since, counts) in windows.items()},
        errors=errors,
    )


def held(count: EntryCount | None) -> dict[str, Any]:
    """How much a namespace holds now: in Redis, or in this worker's memory while it is away."""
    count = count or EntryCount(0, 0, is_complete=True)
    return {
        "entries": count.entries,
        "entries_complete": count.is_complete,
        "bytes": count.size_bytes,
        "redis_bytes": count.redis_bytes,
    }


def _together(counts: Collection[EntryCount]) -> EntryCount:
    return EntryCount(
        entries=sum(each.entries for each in counts),
        size_bytes=sum(each.size_bytes for each in counts),
        is_complete=all(each.is_complete for each in counts),
        redis_bytes=sum(each.redis_bytes for each in counts),
    )


def advice_on(found: Seen, name: str) -> list[str]:
    """Sentences about the TTLs of one namespace, under those that hold now."""
    space = NAMESPACES[name]
    ttls = {each: cache.engine.ttl_of(name, each, ttl) for each, ttl in space.ttls.items()}
    return advice(name, by_resource(found.counts.get(name, {})), ttls)


def read_statistics() -> dict[str, Any]:
    """Totals and each namespace's figures."""
    found = seen()
    counts = Inspector(cache.engine).counts()
    return {
        "since": found.since,
        "totals": {
            **found.in_all(),
            **held(_together([counts[name] for name in GROUPS if name in counts])),
            "errors": sum(found.errors.values()),  # those that no namespace has met as well
        },
        "namespaces": [
            {"namespace": name, **held(counts.get(name)), **found.of(name)} for name in GROUPS
        ],
        "errors": found.errors,
        "advice": [told for name in NAMESPACES for told in advice_on(found, name)],
    }


def reset_statistics(principal: Principal) -> None:
    """Begin to count anew."""
    publish_statistics()
    with unit_of_work() as work:
        rows = work.session.scalars(
            select(CacheStatistics).where(
                CacheStatistics.instance.not_in([BASELINE, runtime().instance])
            )
        )
        live = cache.engine.statistics.snapshot()
        figures = added([live, *(row.figures for row in rows)])
        _keep(work, BASELINE, figures)
        cache_windows.forget_windows(work)
        audit_logs.record(work, principal, "cache.statistics_reset", "cache", "statistics", {})


def tick() -> None:
    """What every worker does once a minute beside its requests.

    It drops what has run out in its memory; the first of a machine writes the sums for all.
    """
    sweep(cache.engine)
    now = runtime().clock.now()
    recorded_at = _recorded_at()
    if recorded_at is None or recorded_at < now.replace(second=0, microsecond=0):
        publish_statistics()


def publish_statistics() -> None:
    """Write this machine's sums into the database, and what has grown into its windows.

    Any worker may at any time: the row's lock has them take turns, and each reads the counters
    under it, so nothing is added twice.
    """
    try:
        _publish()
    except Conflict:  # another worker has made the row in this very moment
        _publish()


def _publish() -> None:
    now = runtime().clock.now()
    with unit_of_work() as work:
        row = work.session.get(CacheStatistics, runtime().instance, with_for_update=True)
        figures = cache.engine.statistics.snapshot()
        grown = _grown(figures, {} if row is None else row.figures)
        if row is not None and not grown and row.recorded_at > now - IDLE:
            return
        cache_windows.keep_windows(work, grown)
        _keep(work, runtime().instance, figures)
        _fold(work, now - FOLDED)


def _fold(work: UnitOfWork, before: datetime) -> None:
    """Put the sums of starts that have long ended into one row: there would be ever more."""
    query = select(CacheStatistics).where(
        CacheStatistics.recorded_at < before,
        CacheStatistics.instance.not_in([BASELINE, ENDED, runtime().instance]),
    )
    rows = work.session.scalars(query.with_for_update(skip_locked=True)).all()
    if rows:
        kept = work.session.get(CacheStatistics, ENDED, with_for_update=True)
        sums = added(each.figures for each in (*rows, *([kept] if kept else [])))
        _keep(work, ENDED, sums)
        for each in rows:
            work.session.delete(each)


def _recorded_at() -> datetime | None:
    query = select(CacheStatistics.recorded_at).where(
        CacheStatistics.instance == runtime().instance
    )
    with read_session() as session:
        return session.scalar(query)


def _grown(figures: Figures, before: Figures) -> Figures:
    return {name: value for name, value in minus(figures, before).items() if value}


def _known(figures: Figures) -> dict[str, Figures]:
    groups = by_namespace(figures)
    return {name: groups[name] for name in GROUPS if name in groups}


def _keep(work: UnitOfWork, instance: str, figures: Figures) -> None:
    now = runtime().clock.now()
    work.session.merge(CacheStatistics(instance=instance, figures=figures, recorded_at=now))
