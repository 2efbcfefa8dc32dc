"""Counts: exact, over all workers of a machine, and never lost to a reset."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cache.results import Outcome
from cache.statistics import BUCKETS_S, Statistics, minus, percentile_s, shared_counters
from tests.doubles.together import together

ROOT = Path(__file__).parents[2]
COUNT = """
import sys
from cache.results import Outcome
from cache.statistics import Statistics
statistics = Statistics()
for _ in range(int(sys.argv[1])):
    statistics.read("models", "list", Outcome.HIT, "memory")
statistics.read("models", "list", Outcome.MISS, "absent")
statistics.took("models", "loader", 0.003)
"""
SHOW = """
import sys, msgspec
from cache.statistics import Statistics
sys.stdout.buffer.write(msgspec.json.encode(Statistics().snapshot()))
"""


@pytest.fixture
def statistics():
    """One application's."""
    return Statistics()


def test_reads_are_counted_by_how_they_went(statistics):
    """Each by namespace, resource, outcome and detail."""
    for _ in range(3):
        statistics.read("models", "list", Outcome.HIT, "memory")
    statistics.read("models", "list", Outcome.MISS, "stamp")
    statistics.read("files", "list", Outcome.HIT, "memory")

    assert statistics.snapshot() == {
        "reads|models|list|hit|memory": 3,
        "reads|models|list|miss|stamp": 1,
        "reads|files|list|hit|memory": 1,
    }


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("fills", ("models", "list")),
        ("coalesced", ("models",)),
        ("invalidations", ("models",)),
        ("audits", ("models", "checked")),
        ("refused", ("models",)),
        ("errors", ("models", "TimeoutError")),
    ],
)
def test_each_counter_has_its_labels(statistics, name, labels):
    """In the order of its name's parts."""
    statistics.count(name, *labels, by=4)

    assert statistics.snapshot() == {"|".join([name, *labels]): 4}


def test_times_are_counted_in_buckets(statistics):
    """With their number and sum, by namespace and tier."""
    statistics.took("models", "redis", 0.0002)
    statistics.took("models", "redis", 0.004)

    figures = statistics.snapshot()

    assert figures["latency|count|models|redis"] == 2
    assert figures["latency|sum|models|redis"] == pytest.approx(0.0042)
    assert figures["latency|le|models|redis|0.00025"] == 1
    assert figures["latency|le|models|redis|0.005"] == 2
    assert figures["latency|le|models|redis|+Inf"] == 2


def test_threads_lose_no_count(statistics):
    """Hits and misses add up to the reads, to the unit."""

    def count() -> None:
        for _ in range(1000):
            statistics.read("models", "list", Outcome.HIT, "memory")

    together([count] * 4)

    assert statistics.snapshot() == {"reads|models|list|hit|memory": 4000}


def test_applications_count_for_themselves(statistics):
    """Two in one process, as tests have them, do not add up."""
    statistics.count("coalesced", "models")

    assert Statistics().snapshot() == {}


def test_a_reset_is_a_baseline():
    """What was counted before is taken off; what is new since then counts in full."""
    assert minus({"a": 5, "b": 2, "c": 1}, {"a": 3, "c": 1}) == {"a": 2, "b": 2, "c": 0}


@pytest.mark.parametrize(
    ("share", "bound"), [(0.5, 0.01), (0.89, 0.01), (0.9, 0.01), (0.95, 0.1), (1.0, 0.1)]
)
def test_a_percentile_is_the_bound_of_its_bucket(share, bound):
    """Never below what was measured."""
    assert percentile_s({0.001: 0, 0.01: 9, 0.1: 10, float("inf"): 10}, share) == bound


def test_a_percentile_beyond_all_bounds_is_the_last_one():
    """It cannot be said any better."""
    assert percentile_s({0.1: 1, 0.2: 1, float("inf"): 10}, 0.95) == 0.2


@pytest.mark.parametrize("buckets", [{}, {0.1: 0.0, float("inf"): 0.0}])
def test_nothing_observed_has_no_percentile(buckets):
    """Rather than a zero that looks like speed."""
    assert percentile_s(buckets, 0.95) is None


def test_bounds_rise():
    """From a hit in memory to a query that hangs."""
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))
    assert BUCKETS_S[0] <= 1e-5
    assert BUCKETS_S[-1] >= 1


def _run(script: str, *arguments: str, folder: Path) -> bytes:
    shared = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}  # noqa: TID251 (a child's)
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(
        command, env=shared, cwd=ROOT, check=True, capture_output=True, timeout=60
    ).stdout


def test_all_workers_counts_add_up(tmp_path):
    """Those of workers that have ended as well: a restart loses nothing."""
    for hits in ("3", "4"):
        _run(COUNT, hits, folder=tmp_path)

    figures = msgspec.json.decode(_run(SHOW, folder=tmp_path))

    assert figures["reads|models|list|hit|memory"] == 7
    assert figures["reads|models|list|miss|absent"] == 2
    assert figures["latency|count|models|loader"] == 2
    assert figures["latency|le|models|loader|0.005"] == 2
    assert figures["latency|le|models|loader|0.001"] == 0


def test_without_a_shared_folder_nothing_is_shared():
    """A worker then knows its own figures, and says that they are no more."""
    assert shared_counters() == ""
