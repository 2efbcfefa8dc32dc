"""Counts of what the cache did, exact over all workers of a machine.

They are Prometheus counters: with `PROMETHEUS_MULTIPROC_DIR` set, workers' stand in mapped files
that outlive them, and a snapshot adds all of them up; else they are this process's own. A reset is
a baseline that is taken off (`minus`), so no figure is ever lost to a scrape.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from cache.results import Outcome
from telemetry.counting import (
    CollectorRegistry,
    Counter,
    Histogram,
    shared_folder,
    shared_registry,
)
from telemetry.ids import new_id

__all__ = ["BUCKETS_S", "Figures", "Statistics", "minus", "percentile_s", "shared_counters"]

Figures = dict[str, float]
"""Counts by a name of parts joined with `|`, such as `reads|models|list|hit|memory`."""

BUCKETS_S = (
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
PREFIX = "larder_cache_"


class Statistics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, ...], Any] = {}
        common: dict[str, Any] = {"registry": self.registry}
        self._counters = {
            "reads": Counter(
                f"{PREFIX}reads",
                "Cached reads by how they went.",
                ["namespace", "resource", "outcome", "detail"],
                **common,
            ),
            "fills": Counter(
                f"{PREFIX}fills", "Entries stored.", ["namespace", "resource"], **common
            ),
            "reloads": Counter(
                f"{PREFIX}reloads",
                "Loads after an entry's time was over, by whether they brought anything new.",
                ["namespace", "resource", "result"],
                **common,
            ),
            "ended": Counter(
                f"{PREFIX}ended",
                "Entries that nobody asked for after their time, by whether anybody had before.",
                ["namespace", "resource", "use"],
                **common,
            ),
            "coalesced": Counter(
                f"{PREFIX}coalesced", "Reads that shared another's load.", ["namespace"], **common
            ),
            "refreshes": Counter(
                f"{PREFIX}refreshes",
                "Loads beside the requests, of entries that were still served.",
                ["namespace", "result"],
                **common,
            ),
            "invalidations": Counter(
                f"{PREFIX}invalidations", "Scopes bumped by writes.", ["namespace"], **common
            ),
            "audits": Counter(
                f"{PREFIX}audits",
                "Hits that were loaded again, and those that differed.",
                ["namespace", "result"],
                **common,
            ),
            "refused": Counter(
                f"{PREFIX}refused", "Values not stored for their size.", ["namespace"], **common
            ),
            "errors": Counter(
                f"{PREFIX}errors", "Failures of Redis by kind.", ["namespace", "error"], **common
            ),
        }
        self._latency = Histogram(
            f"{PREFIX}latency_seconds",
            "How long reads took, by where the answer came from.",
            ["namespace", "tier"],
            buckets=BUCKETS_S,
            **common,
        )

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to one counter."""
        child = self._children.get((name, *labels))
        if child is None:
            child = self._children[(name, *labels)] = self._counters[name].labels(*labels)
        child.inc(by)

    def read(self, namespace: str, resource: str, outcome: Outcome, detail: str) -> None:
        """Count one read."""
        self.count("reads", namespace, resource, outcome.value, detail)

    def took(self, namespace: str, tier: str, seconds: float) -> None:
        """Note how long one answer of `tier` (memory, redis, loader) took."""
        child = self._children.get(("latency", namespace, tier))
        if child is None:
            child = self._latency.labels(namespace, tier)
            self._children[("latency", namespace, tier)] = child
        child.observe(seconds)

    def snapshot(self) -> Figures:
        """All counts, over all workers of this machine."""
        figures: Figures = {}
        for family in self._collected():
            if not family.name.startswith(PREFIX):
                continue
            name = family.name.removeprefix(PREFIX)
            for sample in family.samples:
                if sample.name.endswith("_created"):
                    continue
                kind = sample.name.removeprefix(PREFIX).removeprefix(name)
                labels = [value for _, value in _ordered(name, sample.labels)]
                head = "latency" if name == "latency_seconds" else name
                suffix = {"_bucket": "le", "_sum": "sum", "_count": "count"}.get(kind)
                key = "|".join([head, *labels] if suffix is None else [head, suffix, *labels])
                figures[key] = figures.get(key, 0) + sample.value
        return figures

    def _collected(self) -> Iterable[Any]:
        folder = shared_folder()
        registry = self.registry if folder is None else shared_registry(folder)
        return registry.collect()


LABELS = {
    "reads": ("namespace", "resource", "outcome", "detail"),
    "fills": ("namespace", "resource"),
    "reloads": ("namespace", "resource", "result"),
    "ended": ("namespace", "resource", "use"),
    "audits": ("namespace", "result"),
    "refreshes": ("namespace", "result"),
    "latency_seconds": ("namespace", "tier", "le"),
    "errors": ("namespace", "error"),
}


def _ordered(name: str, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    order = LABELS.get(name, ("namespace",))
    return [(label, labels[label]) for label in order if label in labels]


def shared_counters() -> str:
    """What the counters that this server's workers share are known by; empty if they share none.

    The name stands beside them, so that it is another's once they begin anew.
    """
    folder = shared_folder()
    if folder is None:
        return ""
    mark = folder / "instance"
    drawn = mark.with_name(f"instance-{new_id()}")
    drawn.write_text(drawn.name.removeprefix("instance-"))
    with suppress(FileExistsError):  # another worker was first
        mark.hardlink_to(drawn)
    drawn.unlink()
    return mark.read_text()


def minus(figures: Figures, baseline: Figures) -> Figures:
    """What was counted since `baseline`."""
    return {name: value - baseline.get(name, 0) for name, value in figures.items()}


def percentile_s(buckets: Mapping[float, float], share: float) -> float | None:
    """The time that `share` (0 to 1) of the observations stayed within, in seconds.

    Args:
        buckets: cumulative counts by upper bound in seconds, as Prometheus keeps them.
        share: such as 0.95.

    Returns:
        The upper bound of the bucket it falls into, or `None` without observations.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if total <= 0:
        return None
    finite = [bound for bound in bounds if bound != float("inf")]
    for bound in finite:
        if buckets[bound] >= total * share:
            return bound
    return finite[-1] if finite else None
