"""The last minute, hour and day: added up over starts, bounded, honest about their beginning."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from cache.extension import cache
from cache.results import Outcome
from database.session import read_session
from database.tables.platform import CacheWindow
from services import cache_statistics
from services.authentication import authenticate
from services.cache_windows import WINDOWS
from tests.conftest import ADMIN_KEY
from tests.streams.scripts import wait_until

pytestmark = pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)


@pytest.fixture(autouse=True)
def _context(app):
    """Services run within an application."""
    with app.app_context():
        yield


def _read(hits=0, misses=0, resource="list"):
    count = cache.engine.statistics.count
    count("reads", "files", resource, Outcome.HIT.value, "memory", by=hits)
    count("reads", "files", resource, Outcome.MISS.value, "absent", by=misses)


def _windows(namespace="files"):
    shown = cache_statistics.seen().of(namespace)["windows"]
    return {name: (each["hits"], each["misses"]) for name, each in shown.items()}


def _rows():
    with read_session() as session:
        return session.scalar(select(func.count()).select_from(CacheWindow))


def test_what_was_just_read_is_in_every_window(app):
    """Before anything was written: it is added from memory."""
    _read(hits=3, misses=1)

    assert _windows() == {"1m": (3, 1), "1h": (3, 1), "24h": (3, 1)}
    assert _rows() == 0


def test_writing_it_down_changes_no_figure(app):
    """However often, by whichever worker."""
    _read(hits=3, misses=1)
    cache_statistics.publish_statistics()
    _read(hits=2)
    before = _windows()

    cache_statistics.publish_statistics()
    cache_statistics.publish_statistics()

    assert before == _windows() == {"1m": (5, 1), "1h": (5, 1), "24h": (5, 1)}
    assert _rows() == 2  # one minute, one hour


@pytest.mark.parametrize(
    ("passed", "left"),
    [
        (timedelta(minutes=1), {"1m": (9, 0), "1h": (9, 0), "24h": (9, 0)}),
        (timedelta(minutes=2), {"1m": (0, 0), "1h": (9, 0), "24h": (9, 0)}),
        (timedelta(minutes=60), {"1m": (0, 0), "1h": (9, 0), "24h": (9, 0)}),
        (timedelta(minutes=61), {"1m": (0, 0), "1h": (0, 0), "24h": (9, 0)}),
        (timedelta(hours=24), {"1m": (0, 0), "1h": (0, 0), "24h": (9, 0)}),
        (timedelta(hours=25), {"1m": (0, 0), "1h": (0, 0), "24h": (0, 0)}),
    ],
)
def test_each_window_lets_go_in_its_time(app, clock, passed, left):
    """A minute's figure is not an hour's."""
    _read(hits=9)
    cache_statistics.publish_statistics()

    clock.advance(passed.total_seconds())

    assert _windows() == left


def test_a_window_says_when_it_begins(app, clock):
    """From one to two minutes ago, at a whole minute: nobody divides by the wrong length."""
    clock.advance(42)

    shown = cache_statistics.seen().in_all()["windows"]

    assert shown["1m"]["since"] == datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
    assert shown["1h"]["since"] == datetime(2026, 1, 1, 11, 0, tzinfo=UTC)
    assert shown["24h"]["since"] == datetime(2025, 12, 31, 12, 0, tzinfo=UTC)


def test_a_day_of_traffic_keeps_a_bounded_number_of_rows(app, clock):
    """Sixty-one minutes and twenty-five hours of a start, and no more."""
    for _ in range(27 * 4):
        _read(hits=1)
        cache_statistics.tick()
        clock.advance(900)

    assert _rows() <= 61 // 15 + 1 + 25
    assert sum(_windows()["24h"]) == pytest.approx(24 * 4, abs=4)


def test_a_minute_is_written_once_by_whoever_comes_first(app, clock):
    """The others find it done; with nothing new nothing is written."""
    _read(hits=1)
    cache_statistics.tick()
    _read(hits=1)
    cache_statistics.tick()

    with read_session() as session:
        kept = session.scalars(select(CacheWindow.figures)).all()

    assert [each["reads|files|list|hit|memory"] for each in kept] == [1, 1]
    assert _windows()["1m"] == (2, 0)


def test_resources_have_windows_of_their_own(app):
    """One bad resource does not hide in a good namespace."""
    _read(hits=9, resource="list")
    cache_statistics.publish_statistics()
    _read(misses=3, resource="detail")

    rows = {each["resource"]: each for each in cache_statistics.seen().of("files")["resources"]}

    assert rows["list"]["windows"]["1h"]["hit_ratio"] == 1.0
    assert rows["detail"]["windows"]["1h"]["hit_ratio"] == 0.0
    assert rows["detail"]["windows"]["1h"]["misses"] == rows["detail"]["misses"] == 3


def test_a_reset_empties_them(app):
    """As all else."""
    _read(hits=9)
    cache_statistics.publish_statistics()

    cache_statistics.reset_statistics(authenticate(ADMIN_KEY))

    assert _windows() == {"1m": (0, 0), "1h": (0, 0), "24h": (0, 0)}


def test_a_worker_that_serves_writes_them_beside_its_requests(app):
    """No request waits for it."""
    _read(hits=9)

    app.extensions["larder_serving"]()
    wait_until(lambda: _rows() == 2)

    assert _windows()["1h"] == (9, 0)


def test_the_windows_are_those_of_the_contract():
    """Their names stand in the API."""
    assert [each.name for each in WINDOWS] == ["1m", "1h", "24h"]
