"""Counts of the cache put into figures: sums, ratios, reasons, percentiles, windows.

Pure: counters by name in, what the API shows out. Names are parts joined with `|`, as
`cache.statistics` has them, once the namespace has been taken out (`reads|list|hit|memory`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cache.statistics import Figures, percentile_s

__all__ = ["added", "by_namespace", "by_resource", "in_all", "in_window", "ratio"]

SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
OF_RESOURCES = ("reads", "fills", "reloads", "ended")
OF_NAMESPACES = (
    *OF_RESOURCES,
    "coalesced",
    "invalidations",
    "audits",
    "refused",
    "errors",
    "latency",
)


def by_namespace(figures: Figures) -> dict[str, Figures]:
    """Each namespace's counts, its name taken out of theirs."""
    found: dict[str, Figures] = defaultdict(dict)
    for name, value in figures.items():
        parts = name.split("|")
        at = 2 if parts[0] == "latency" else 1
        least = 3 if parts[0] in ("errors", "latency") else 2
        if parts[0] in OF_NAMESPACES and len(parts) >= least:
            found[parts[at]]["|".join(parts[:at] + parts[at + 1 :])] = value
    return found


def by_resource(counts: Figures) -> dict[str, Figures]:
    """Each resource's part of a namespace's counts, its name taken out of theirs."""
    found: dict[str, Figures] = defaultdict(dict)
    for name, value in counts.items():
        parts = name.split("|")
        if parts[0] in OF_RESOURCES:
            found[parts[1]]["|".join([parts[0], *parts[2:]])] = value
    return found


def added(parts: Iterable[Figures]) -> Figures:
    """Several counts as one."""
    sums: Figures = defaultdict(float)
    for part in parts:
        for name, value in part.items():
            sums[name] += value
    return dict(sums)


def ratio(hits: float, misses: float) -> float | None:
    """Hits by reads; `None` where nobody has read."""
    return round(hits / (hits + misses), 4) if hits + misses else None


def in_all(counts: Figures) -> dict[str, Any]:
    """One group's counts in words; reads are hits, misses, bypasses and stale ones, to the unit."""
    outcomes = _outcomes(counts)
    return {
        **_sums(outcomes),
        "bypasses": sum(outcomes["bypass"].values()),
        "hits_by_tier": dict(outcomes["hit"]),
        "misses_by_reason": dict(outcomes["miss"]),
        "fills": _count(counts, "fills"),
        "reloads_unchanged": _last(counts, "reloads", "unchanged"),
        "reloads_changed": _last(counts, "reloads", "changed"),
        "ended_unused": _last(counts, "ended", "unused"),
        "ended_used": _last(counts, "ended", "used"),
        "coalesced_waits": _count(counts, "coalesced"),
        "invalidations": _count(counts, "invalidations"),
        "not_stored_for_size": _count(counts, "refused"),
        "errors": _count(counts, "errors"),
        "audits": _last(counts, "audits", "checked"),
        "inconsistencies": _last(counts, "audits", "inconsistent"),
        "latency": _latency(counts),
    }


def in_window(since: datetime, counts: Figures) -> dict[str, Any]:
    """One group's reads within a stretch of time."""
    return {"since": since, **_sums(_outcomes(counts))}


def _outcomes(counts: Figures) -> dict[str, dict[str, int]]:
    """Reads by outcome and detail, whether the resource still stands in their names or not."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, value in counts.items():
        parts = name.split("|")
        if parts[0] == "reads":
            found[parts[-2]][parts[-1]] += int(value)
    return found


def _sums(outcomes: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    sums = {outcome: sum(details.values()) for outcome, details in outcomes.items()}
    hits, misses = sums.get("hit", 0), sums.get("miss", 0)
    return {
        "reads": sum(sums.values()),
        "hits": hits,
        "misses": misses,
        "stale_served": sums.get("stale", 0),
        "hit_ratio": ratio(hits, misses),
    }


def _count(counts: Figures, name: str) -> int:
    return int(sum(value for key, value in counts.items() if key.partition("|")[0] == name))


def _last(counts: Figures, name: str, last: str) -> int:
    """The sum of a counter's parts whose last label is `last`."""
    return int(
        sum(
            value
            for key, value in counts.items()
            if key.partition("|")[0] == name and key.rpartition("|")[2] == last
        )
    )


def _latency(counts: Figures) -> list[dict[str, Any]]:
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
