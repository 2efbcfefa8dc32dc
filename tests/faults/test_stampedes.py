"""Stampedes: four workers of 32 readers each, real processes, on a real Redis and without one.

`loads` counts what the database would have been asked.
"""

import threading
from collections.abc import Iterator

import pytest

from tests.doubles.redis_process import RedisProcess
from tests.doubles.stampede import LEASE_S, READERS, ROW, WAIT_S, WORKERS, Stampede

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("stampedes")]

EVERYBODY = WORKERS * READERS
SPARE_S = 3.0
"""For a busy machine."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    """The server that keeps the leases."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(scope="module", params=["redis", "files"])
def stampede(request, tmp_path_factory, redis) -> Iterator[Stampede]:
    """The workers: with Redis, and with nothing but files that lock."""
    redis_url = f"redis://127.0.0.1:{redis.port}/0" if request.param == "redis" else ""
    workers = Stampede(tmp_path_factory.mktemp("stampede"), redis_url)
    yield workers
    workers.end()


def test_a_key_is_loaded_once_for_all(stampede):
    """Cold, over, and made old by a write: 128 readers, one load each."""
    cold = stampede.round("slow", "plain")
    warm = stampede.round("slow", "plain")
    stampede.generations.bump([ROW])
    written = stampede.round("slow", "plain")
    stampede.round("slow", "short", ttl_s=1)
    threading.Event().wait(1.1)
    over = stampede.round("slow", "short")

    assert [each.loads for each in (cold, warm, written, over)] == [1, 0, 1, 1]
    assert cold.values == warm.values == written.values == ["plain loaded"] * EVERYBODY
    assert over.values == ["short loaded"] * EVERYBODY


def test_a_loader_that_fails_is_not_tried_by_everybody(stampede):
    """Twice a worker, and again by readers who come too late for it; every reader learns of it."""
    failed = stampede.round("failing", "failing")

    assert failed.faults == ["the loader failed"] * EVERYBODY
    assert failed.loads <= 4 * WORKERS
    assert failed.waits_s[-1] < WAIT_S + SPARE_S


def test_a_loader_that_hangs_holds_nobody_up_for_long(stampede):
    """Its own caller has to wait; all others are served by the deadline, by one load more."""
    stuck = stampede.round("hanging", "hanging")

    assert stuck.values == ["hanging loaded"] * EVERYBODY
    assert stuck.loads == 2
    assert stuck.waits_s[-2] < WAIT_S + SPARE_S


def test_a_loader_that_is_killed_is_followed_by_one(stampede):
    """Its turn ends with it, or with its lease: those who waited do not all load."""
    killed = stampede.round("killed", "killed")

    assert killed.values == ["killed loaded"] * (EVERYBODY - READERS)
    assert killed.loads == 2
    assert killed.waits_s[-1] < LEASE_S + SPARE_S
