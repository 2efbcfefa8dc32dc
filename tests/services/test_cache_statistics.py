"""The cache's figures: over all workers and machines, through restarts, since the last reset."""

from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from cache.extension import cache
from cache.inspection import EntryCount, Inspector
from cache.results import ReadPolicy, reading
from cache.scopes import UserId
from database.session import db, read_session, write_session
from database.tables.platform import CacheStatistics
from services import cache_statistics
from services.authentication import authenticate
from services.conversations import folders
from tests.conftest import ADMIN_KEY

pytestmark = pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
ANN = UserId("ann")


@pytest.fixture(autouse=True)
def _context(app: Flask):
    """Services run within an application."""
    with app.app_context():
        yield


def _totals():
    return cache_statistics.read_statistics()["totals"]


def _row(name):
    rows = cache_statistics.read_statistics()["namespaces"]
    return next(each for each in rows if each["namespace"] == name)


def _figures_of(instance, **figures):
    named = {name.replace("__", "|"): value for name, value in figures.items()}
    with write_session() as session:
        row = CacheStatistics(instance=instance, figures=named)
        row.recorded_at = cache.engine.clock.now()
        session.add(row)
        session.commit()


def _reset():
    cache_statistics.reset_statistics(authenticate(ADMIN_KEY))


def test_a_read_is_a_hit_a_miss_or_a_bypass(app):
    """The sum of the three is all reads, to the unit."""
    folders.list_folders(ANN)
    folders.list_folders(ANN)
    with reading(ReadPolicy.BYPASS):
        folders.list_folders(ANN)

    row = _row("conversations")
    assert (row["reads"], row["hits"], row["misses"], row["bypasses"]) == (3, 1, 1, 1)
    assert (row["hit_ratio"], row["fills"], row["entries"]) == (0.5, 1, 1)
    assert row["hits_by_tier"] == {"memory": 1}
    assert row["misses_by_reason"] == {"absent": 1}


def test_without_reads_there_is_no_ratio(app):
    """Nought of nought is not nought."""
    row = _row("files")

    assert (row["reads"], row["hit_ratio"], row["latency"]) == (0, None, [])


def test_the_totals_are_the_namespaces_added_up(app):
    """Whoever adds by hand gets the same."""
    folders.list_folders(ANN)
    authenticate(ADMIN_KEY)

    shown = cache_statistics.read_statistics()

    for figure in ("reads", "hits", "misses", "fills", "invalidations"):
        assert shown["totals"][figure] == sum(each[figure] for each in shown["namespaces"])
    assert shown["totals"]["reads"] >= 2


def test_latencies_are_told_by_tier(app):
    """Percentiles in milliseconds, of as many answers as there were."""
    for seconds in (0.0004, 0.0004, 0.0004, 0.04):
        cache.engine.statistics.took("files", "redis", seconds)

    (latency,) = _row("files")["latency"]

    assert (latency["tier"], latency["count"]) == ("redis", 4)
    assert latency["p50_ms"] == pytest.approx(0.5)
    assert latency["p99_ms"] == pytest.approx(50)


def test_failures_of_redis_are_counted_by_kind(app):
    """The first thing to look at when pages are slow; some are met at no namespace's keys."""
    cache.engine.statistics.count("errors", "files", "TimeoutError", by=2)
    cache.engine.statistics.count("errors", "", "TimeoutError")
    cache.engine.statistics.count("errors", "models", "OSError")

    shown = cache_statistics.read_statistics()

    assert shown["errors"] == {"TimeoutError": 3, "OSError": 1}
    assert (_row("files")["errors"], _row("models")["errors"], _row("users")["errors"]) == (2, 1, 0)
    assert shown["totals"]["errors"] == 4


def test_what_is_held_is_added_up(app):
    """In all namespaces together."""
    authenticate(ADMIN_KEY)

    shown = cache_statistics.read_statistics()

    assert shown["totals"]["entries"] >= 1
    for figure in ("entries", "bytes", "redis_bytes"):
        assert shown["totals"][figure] == sum(each[figure] for each in shown["namespaces"])


def test_other_machines_and_earlier_starts_are_added(app):
    """An answer speaks for all, whoever is asked."""
    _figures_of("elsewhere:1", reads__files__list__hit__redis=5)
    _figures_of("elsewhere:2", reads__files__list__hit__memory=2, errors__OSError=1)

    assert _row("files")["hits_by_tier"] == {"redis": 5, "memory": 2}
    assert cache_statistics.read_statistics()["errors"] == {"OSError": 1}


def test_publishing_counts_nothing_twice(app):
    """This start's sums stand in the database and in memory."""
    folders.list_folders(ANN)
    before = _totals()

    cache_statistics.publish_statistics()
    cache_statistics.publish_statistics()

    assert _totals() == before


def test_a_restart_loses_no_count(app, settings, clock):
    """The next start begins where this one ended."""
    folders.list_folders(ANN)
    app.extensions["larder_shutdown"](0.0)

    after = create_app(settings, clock=clock)
    after.extensions["larder"] = replace(after.extensions["larder"], instance="next")
    with after.app_context():
        row = _row("conversations")
        db.engine.dispose()

    assert (row["reads"], row["misses"], row["fills"]) == (1, 1, 1)


def test_a_reset_begins_anew_and_says_since_when(app, clock):
    """On all machines: it is a baseline, and no counter is touched."""
    folders.list_folders(ANN)
    _figures_of("elsewhere:1", reads__files__list__hit__redis=5)
    clock.advance(60)
    _reset()
    folders.list_folders(ANN)

    shown = cache_statistics.read_statistics()

    assert shown["since"] == clock.now()
    assert (_row("files")["reads"], _row("conversations")["reads"]) == (0, 1)
    counts = {each["tier"]: each["count"] for each in _row("conversations")["latency"]}
    assert counts == {"loader": 0, "memory": 1}


def test_a_second_reset_begins_anew_again(app):
    """From the second one, not from the first."""
    folders.list_folders(ANN)
    _reset()
    folders.list_folders(ANN)
    _reset()

    assert _row("conversations")["reads"] == 0


def test_before_any_reset_there_is_no_since(app):
    """The figures are all there ever were."""
    assert cache_statistics.read_statistics()["since"] is None


def test_a_reset_is_logged(app, admin):
    """Whoever wonders where the figures went finds who did it."""
    _reset()

    (logged,) = admin.get(
        "/api/audit-logs", query_string={"action": "cache.statistics_reset"}
    ).json["items"]
    assert logged["actor_user_id"] == admin.get("/api/me").json["user"]["id"]


def test_one_row_is_kept_for_a_start(app):
    """However often it is published."""
    cache_statistics.publish_statistics()
    cache_statistics.publish_statistics()

    with read_session() as session:
        assert session.query(CacheStatistics).count() == 1


def test_what_is_no_entry_counts_nowhere(monkeypatch):
    """The streams' logs stand beside the entries in Redis: the totals are the namespaces' sums."""
    counts = {"users": EntryCount(2, 30, True, 40), "stream": EntryCount(5, 600, True, 700)}
    monkeypatch.setattr(Inspector, "counts", lambda _: counts)

    totals = cache_statistics.read_statistics()["totals"]

    assert (totals["entries"], totals["bytes"], totals["redis_bytes"]) == (2, 30, 40)
