"""Whatever way a row is written, with whatever isolation: the next read on a warm cache sees it."""

import pytest
from sqlalchemy import select, text, update

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.session import db, read_session
from database.tables.conversations import Folder
from schemas.folders import NewFolder
from services.conversations import folders
from services.unit_of_work import unit_of_work

ON_EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
RENAME = "UPDATE folders SET name = 'Rome'"


@pytest.fixture
def owner(app, alice):
    """Alice, with a folder that the cache knows."""
    with app.app_context():
        owner = UserId(alice.user_id)
        folders.create_folder(owner, NewFolder("Trips", None))
        assert _names(owner) == _names(owner) == ["Trips"]
        yield owner


def _names(owner):
    return [each["name"] for each in folders.list_folders(owner).value["items"]]


def _by_hand(*statements, isolation=None):
    engine = db.engine.execution_options(writes=True)
    if isolation:
        engine = engine.execution_options(isolation_level=isolation)
    with engine.begin() as connection:
        for each in statements:
            connection.exec_driver_sql(each)


def _plain():
    _by_hand(RENAME)


def _after_a_savepoint():
    _by_hand("SAVEPOINT a", "DELETE FROM folders", "ROLLBACK TO a", RENAME)


def _in_a_savepoint():
    _by_hand("SAVEPOINT a", "SAVEPOINT b", RENAME, "RELEASE b", "RELEASE a")


def _in_bulk():
    with unit_of_work() as work:
        work.session.execute(update(Folder).values(name="Rome"))
        work.invalidates(
            CONVERSATIONS.of(UserId(work.session.scalars(select(Folder.user_id)).one()))
        )


def _in_a_nested_block():
    with unit_of_work() as work:
        row = work.session.scalars(select(Folder)).one()
        refused = work.session.begin_nested()
        row.name = "never"
        work.session.flush()
        refused.rollback()
        with work.session.begin_nested():
            work.session.execute(text(RENAME))
        work.invalidates(CONVERSATIONS.of(UserId(row.user_id)))


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
@pytest.mark.parametrize(
    "write", [_plain, _after_a_savepoint, _in_a_savepoint, _in_bulk, _in_a_nested_block]
)
def test_the_next_read_sees_it(owner, write):
    """By hand, in bulk, around savepoints that come to nothing."""
    write()

    assert _names(owner) == ["Rome"]


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_every_isolation_of_a_writer_is_seen(owner, isolation):
    """A generation is committed with its rows, whatever the writer itself could see."""
    _by_hand(RENAME, isolation=isolation)

    assert _names(owner) == ["Rome"]


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_what_goes_by_cascade_is_gone(owner):
    """Deleting the user deletes the folders, which nobody names."""
    _by_hand(f"DELETE FROM users WHERE id = '{owner}'")  # noqa: S608 (an id of our own)

    assert _names(owner) == []


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_what_is_rolled_back_stays_a_hit(owner):
    """Nothing has changed."""
    with db.engine.execution_options(writes=True).connect() as connection:
        connection.exec_driver_sql(RENAME)
        connection.rollback()

    assert folders.list_folders(owner).outcome.value == "hit"
    assert _names(owner) == ["Trips"]


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_a_read_within_an_older_snapshot_keeps_nothing_old(app, owner):
    """Two sessions in one request, the outer of them begun before the write."""
    with app.test_request_context(), read_session() as outer:
        before = outer.scalars(select(Folder.name)).all()
        _by_hand(RENAME)
        within = _names(owner)
        still = outer.scalars(select(Folder.name)).all()

    assert (before, within, still) == (["Trips"], ["Rome"], ["Trips"])
    assert _names(owner) == ["Rome"]
