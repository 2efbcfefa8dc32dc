"""Generations that are purged: bounded rows, and no entry comes back to life."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from app import create_app
from cache.scopes import UserId
from database.generations import CacheGeneration
from database.session import db, read_session
from schemas.folders import NewFolder
from services.conversations import folders
from services.generations import AT_ONCE, purge_generations
from services.unit_of_work import unit_of_work

ON_EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
MONTH = timedelta(days=31).total_seconds()


def _rows():
    with read_session() as session:
        return dict(
            session.execute(select(CacheGeneration.scope, CacheGeneration.generation)).all()
        )


def _make(clock, *scopes, days=0):
    us = int((clock.now() - timedelta(days=days)).timestamp() * 1_000_000)
    rows = [{"scope": each, "generation": us, "bumped_us": us} for each in scopes]
    with unit_of_work() as work:
        work.session.execute(insert(CacheGeneration), rows)


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_owners_that_were_not_written_for_long_go(app, clock):
    """A user who left a year ago has no row any more; all others stay."""
    with app.app_context():
        for_ever = ["*", "ns:conversations", "views:7", "responses:a", "conversation"]
        _make(clock, "conversations:a", "audit_logs:everyone#1", days=31)
        _make(clock, "conversations:b", days=29)
        _make(clock, *for_ever, days=400)
        before = _rows()

        purged = purge_generations()

        assert purged == 2
        assert before.keys() - _rows().keys() == {"conversations:a", "audit_logs:everyone#1"}


def test_more_than_fit_into_one_transaction_go(app, clock):
    """The first run after years."""
    with app.app_context():
        _make(clock, *(f"files:{number}" for number in range(AT_ONCE + 5)), days=31)

        assert purge_generations() == AT_ONCE + 5


def test_a_long_time_to_live_keeps_them_longer(settings, clock):
    """An operator may have entries live for months: twice as long is waited."""
    app = create_app(replace(settings, cache_ttls={"files_list": 26 * 86400}), clock=clock)
    with app.app_context():
        db.create_all()
        _make(clock, "files:a", days=51)
        _make(clock, "files:b", days=53)

        assert purge_generations() == 1
    app.extensions["larder_shutdown"](0.0)


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_an_entry_from_before_the_first_write_does_not_come_back(app, alice, clock):
    """A missing row reads as nought, as it did when the list was empty."""
    with app.app_context():
        owner = UserId(alice.user_id)
        _make(clock, "files:other", days=31)
        before = folders.list_folders(owner).value["items"]
        folders.create_folder(owner, NewFolder("Trips", None))
        clock.advance(MONTH)

        purged = purge_generations()
        after = folders.list_folders(owner)

        assert (before, purged > 1) == ([], True)
        assert f"conversations:{owner}" not in _rows()
        assert [each["name"] for each in after.value["items"]] == ["Trips"]


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_after_a_purge_generations_go_on_above_all_that_were(app, alice, clock):
    """The clock sees to it: no number ever returns."""
    with app.app_context():
        owner = UserId(alice.user_id)
        scope = f"conversations:{alice.user_id}"
        folders.create_folder(owner, NewFolder("a", None))
        before = _rows()[scope]
        clock.advance(MONTH)
        purge_generations()
        folders.create_folder(owner, NewFolder("b", None))

        assert _rows()[scope] > before
