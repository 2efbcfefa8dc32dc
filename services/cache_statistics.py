"""The cache's figures over all workers and machines, since the start or the last reset.

The workers of this machine share live counters; each machine's sums are written into the database
when they are read and when a worker ends, so that a restart loses nothing. A reset keeps a baseline
and takes it off.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from cache.extension import cache
from cache.inspection import Inspector
from cache.namespaces import NAMESPACES
from cache.statistics import Figures, minus, percentile_s
from database.session import read_session
from database.tables.platform import CacheStatistics
from services import audit_logs
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = ["figures_by_namespace", "publish_statistics", "read_statistics", "reset_statistics"]

BASELINE = "baseline"
SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def read_statistics() -> dict[str, Any]:
    """Totals and each namespace's figures."""
    figures, since = _current()
    by_namespace = figures_by_namespace(figures)
    inspector = Inspector(cache.engine)
    rows = []
    for name in NAMESPACES:
        count = inspector.count(name)
        held = {"namespace": name, "entries": count.entries, "bytes": count.size_bytes}
        rows.append(held | _shown(by_namespace.get(name, {})))
    errors = {
        name.removeprefix("errors|"): int(value)
        for name, value in figures.items()
        if name.startswith("errors|")
    }
    everything = _summed(by_namespace[name] for name in NAMESPACES if name in by_namespace)
    return {"since": since, "totals": _shown(everything), "namespaces": rows, "errors": errors}


def reset_statistics(principal: Principal) -> None:
    """Begin to count anew."""
    figures = _totals()
    with unit_of_work() as work:
        _keep(work, BASELINE, figures)
        audit_logs.record(work, principal, "cache.statistics_reset", "cache", "statistics", {})


def publish_statistics() -> None:
    """Write this machine's sums into the database."""
    with unit_of_work() as work:
        _keep(work, runtime().instance, cache.engine.statistics.snapshot())


def figures_by_namespace(figures: Figures | None = None) -> dict[str, dict[str, float]]:
    """Each namespace's counts, its name taken out of theirs."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, value in (figures if figures is not None else _current()[0]).items():
        parts = name.split("|")
        at = 2 if parts[0] == "latency" else 1
        if parts[0] != "errors" and len(parts) > at:
            found[parts[at]]["|".join(parts[:at] + parts[at + 1 :])] = value
    return found


def _current() -> tuple[Figures, Any]:
    with read_session() as session:
        row = session.get(CacheStatistics, BASELINE)
    totals = _totals()
    return (totals, None) if row is None else (minus(totals, row.figures), row.recorded_at)


def _totals() -> Figures:
    """This machine's live counts and the last ones of all others."""
    totals: Figures = defaultdict(float)
    with read_session() as session:
        others = session.scalars(
            select(CacheStatistics.figures).where(
                CacheStatistics.instance.not_in([BASELINE, runtime().instance])
            )
        ).all()
    for figures in (*others, cache.engine.statistics.snapshot()):
        for name, value in figures.items():
            totals[name] += value
    return dict(totals)


def _keep(work: UnitOfWork, instance: str, figures: Figures) -> None:
    now = runtime().clock.now()
    work.session.merge(CacheStatistics(instance=instance, figures=figures, recorded_at=now))


def _summed(parts: Any) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for part in parts:
        for name, value in part.items():
            totals[name] += value
    return totals


def _shown(counts: Mapping[str, float]) -> dict[str, Any]:
    """One group's counts in words; reads are hits, misses, bypasses and stale ones, to the unit."""
    by_outcome: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, value in counts.items():
        parts = name.split("|")
        if parts[0] == "reads":
            by_outcome[parts[2]][parts[3]] += int(value)
    sums = {outcome: sum(details.values()) for outcome, details in by_outcome.items()}
    hits, misses = sums.get("hit", 0), sums.get("miss", 0)
    return {
        "reads": sum(sums.values()),
        "hits": hits,
        "misses": misses,
        "bypasses": sums.get("bypass", 0),
        "stale_served": sums.get("stale", 0),
        "hit_ratio": round(hits / (hits + misses), 4) if hits + misses else None,
        "hits_by_tier": dict(by_outcome.get("hit", {})),
        "misses_by_reason": dict(by_outcome.get("miss", {})),
        "fills": _count(counts, "fills"),
        "coalesced_waits": _count(counts, "coalesced"),
        "invalidations": _count(counts, "invalidations"),
        "not_stored_for_size": _count(counts, "refused"),
        "audits": int(counts.get("audits|checked", 0)),
        "inconsistencies": int(counts.get("audits|inconsistent", 0)),
        "latency": _latency(counts),
    }


def _count(counts: Mapping[str, float], name: str) -> int:
    return int(sum(value for key, value in counts.items() if key.partition("|")[0] == name))


def _latency(counts: Mapping[str, float]) -> list[dict[str, Any]]:
    tiers: dict[str, dict[float, float]] = defaultdict(dict)
    for name, value in counts.items():
        parts = name.split("|")
        if parts[:2] == ["latency", "le"]:
            bounds = tiers[parts[2]]
            bounds[float(parts[3])] = bounds.get(float(parts[3]), 0) + value
    return [_percentiles(tier, buckets) for tier, buckets in sorted(tiers.items())]


def _percentiles(tier: str, buckets: dict[float, float]) -> dict[str, Any]:
    shown: dict[str, Any] = {"tier": tier, "count": int(buckets.get(float("inf"), 0))}
    for name, share in SHARES.items():
        seconds = percentile_s(buckets, share)
        shown[name] = None if seconds is None else seconds * 1000
    return shown
