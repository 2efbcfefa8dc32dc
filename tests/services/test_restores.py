"""A database that is restored from a backup: its generations come back, and what they stood for."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from cache.engine import CacheEngine
from cache.extension import cache
from cache.results import Outcome
from database.session import db, sqlite_file
from services import cache_admin
from services.startup import prepare
from tests.cache.suite import Answers
from tests.factories.caches import make_call

pytestmark = [
    pytest.mark.parametrize("cache_fields", ["memory"], indirect=True),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),  # whose backup is a file
]
ROW = "users:u1"


@pytest.fixture
def larder(settings) -> Iterator[Flask]:
    """An application by the system's clock: generations of lost time are beaten by nothing else."""
    app = create_app(replace(settings, cache_audit_share=0.0))  # which would find them out
    with app.app_context():
        db.create_all()
        prepare()
        yield app
    app.extensions["larder_shutdown"](0.0)


@pytest.fixture
def engine(larder) -> CacheEngine:
    """Its cache, whose generations are in the database."""
    return cache.engine_of(larder)


@pytest.fixture
def restore(larder, engine, tmp_path: Path) -> Callable[[], None]:
    """Takes a backup, and brings it back as `.restore` of SQLite's shell does."""
    engine.generations.store.bump([ROW])
    path, copy = sqlite_file(db.engine), tmp_path / "backup.sqlite3"
    _copy(path, copy)
    return lambda: _copy(copy, path)


def _copy(source: str | Path, target: str | Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


def test_what_was_made_in_the_lost_time_does_not_stay_in_the_way(engine, restore):
    """It has seen more writes than what is loaded now, so that it would never give way."""
    engine.generations.store.bump([ROW])
    engine.read(make_call(Answers("lost")))
    restore()

    cache_admin.clear_everything()
    found = [engine.read(make_call(Answers("restored"))) for _ in range(2)]

    assert [each.value for each in found] == ["restored"] * 2
    assert [each.outcome for each in found] == [Outcome.MISS, Outcome.HIT]


def test_what_held_more_than_its_stamp_is_not_served(engine, restore):
    """A write came while it was loaded: with the backup its stamp is current again."""

    def load() -> str:
        engine.generations.store.bump([ROW])
        return "lost"

    engine.read(make_call(load))
    restore()

    cache_admin.clear_everything()

    assert engine.read(make_call(Answers("restored"))).value == "restored"
