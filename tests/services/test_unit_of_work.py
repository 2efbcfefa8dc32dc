"""One transaction a write: all or nothing, and never without the cache being told."""

import pytest
from sqlalchemy import delete, func, select, update

from cache.namespaces import CONVERSATIONS, MODELS
from cache.scopes import UserId
from database.generations import CacheGeneration
from database.session import read_session
from database.tables.conversations import Folder
from database.tables.users import User
from services.conversations import folders
from services.errors import Conflict
from services.runtime import runtime
from services.unit_of_work import ForgottenInvalidation, unit_of_work


@pytest.fixture
def owner(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield UserId(alice.user_id)


def _folder(owner, name="Trips", **fields):
    now = runtime().clock.now()
    return Folder(user_id=owner, name=name, created_at=now, updated_at=now, **fields)


def _add(owner, name="Trips"):
    with unit_of_work() as work:
        work.session.add(_folder(owner, name))
        work.invalidates(CONVERSATIONS.of(owner))


def _names():
    with read_session() as session:
        return list(session.scalars(select(Folder.name).order_by(Folder.name)))


def _generation(scope):
    with read_session() as session:
        found = select(CacheGeneration.generation).where(CacheGeneration.scope == scope.name)
        return session.scalar(found) or 0


def test_a_write_and_its_generation_are_committed_together(owner):
    """The promise of every read after it."""
    before = _generation(CONVERSATIONS.of(owner))

    _add(owner)

    assert _names() == ["Trips"]
    assert _generation(CONVERSATIONS.of(owner)) > before


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, Conflict])
def test_an_error_rolls_all_of_it_back(owner, fault):
    """Rows, generations and what was to follow."""
    followed = []
    before = _generation(CONVERSATIONS.of(owner))

    def writing():
        with unit_of_work() as work:
            work.session.add(_folder(owner))
            work.invalidates(CONVERSATIONS.of(owner))
            work.after_commit(lambda: followed.append(1))
            work.session.flush()
            raise fault("no")

    with pytest.raises(fault):
        writing()
    assert (_names(), followed) == ([], [])
    assert _generation(CONVERSATIONS.of(owner)) == before


def _insert(work, owner):
    work.session.add(_folder(owner, "New"))


def _change(work, owner):
    work.session.scalars(select(Folder)).one().name = "New"


def _remove(work, owner):
    work.session.delete(work.session.scalars(select(Folder)).one())


def _change_in_bulk(work, owner):
    work.session.execute(update(Folder).values(name="New"))


def _remove_in_bulk(work, owner):
    work.session.execute(delete(Folder))


def _change_and_flush(work, owner):
    _change(work, owner)
    work.session.flush()


WRITES = [_insert, _change, _remove, _change_in_bulk, _remove_in_bulk, _change_and_flush]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_names_no_scope_of_its_table_fails(owner, write):
    """Whichever way it is written: no read could be trusted to see it."""
    _add(owner)

    def writing():
        with unit_of_work() as work:
            write(work, owner)
            work.invalidates(MODELS.all())

    with pytest.raises(ForgottenInvalidation, match="Folder"):
        writing()
    assert _names() == ["Trips"]


@pytest.mark.parametrize("write", WRITES)
def test_the_same_write_with_its_scope_is_seen_by_the_next_read(owner, write):
    """On a cache that was warm."""
    _add(owner)
    folders.list_folders(owner)

    with unit_of_work() as work:
        write(work, owner)
        work.invalidates(CONVERSATIONS.of(owner))

    seen = [each["name"] for each in folders.list_folders(owner).value["items"]]
    assert seen == _names() != ["Trips"]


def test_what_is_read_only_needs_no_scope(owner):
    """Setting a column to what it is writes nothing either."""
    _add(owner)

    with unit_of_work() as work:
        row = work.session.scalars(select(Folder)).one()
        row.name = "Trips"
        work.session.scalar(select(func.count()).select_from(User))

    assert _names() == ["Trips"]


def test_a_constraint_of_the_database_is_a_conflict(owner):
    """Its own words, with table names and values, stay in the log."""

    def writing():
        with unit_of_work() as work:
            work.session.add(_folder(owner, parent_id="no such folder"))
            work.invalidates(CONVERSATIONS.of(owner))

    with pytest.raises(Conflict) as refused:
        writing()

    assert refused.value.detail == "The change contradicts what is stored."
    assert _names() == []


def test_what_follows_a_commit_sees_it_and_runs_in_order(owner):
    """Warming and unlinking read what was written."""
    followed = []

    with unit_of_work() as work:
        work.session.add(_folder(owner))
        work.invalidates(CONVERSATIONS.of(owner))
        work.after_commit(lambda: followed.append(_names()))
        work.after_commit(lambda: followed.append("second"))
        before = list(followed)

    assert before == []
    assert followed == [["Trips"], "second"]


def test_what_follows_may_fail_and_is_logged(logged, owner):
    """The write stands: the caller must not be told that it failed."""
    followed = []

    def failing():
        raise RuntimeError("of no account")

    with unit_of_work() as work:
        work.session.add(_folder(owner))
        work.invalidates(CONVERSATIONS.of(owner))
        work.after_commit(failing)
        work.after_commit(lambda: followed.append(1))

    assert (_names(), followed) == (["Trips"], [1])
    failed = [line for line in logged() if line["event"] == "after_commit_failed"]
    assert [line["level"] for line in failed] == ["error"]


def test_within_one_unit_reads_see_what_was_written(owner):
    """A service that writes twice builds on the first."""
    with unit_of_work() as work:
        work.session.add(_folder(owner, "a"))
        found = list(work.session.scalars(select(Folder.name)))
        work.invalidates(CONVERSATIONS.of(owner))

    assert found == ["a"]


def test_only_the_named_owner_is_bumped(owner, bob):
    """Others' entries stay warm."""
    theirs = CONVERSATIONS.of(UserId(bob.user_id))
    before = _generation(theirs)

    _add(owner)

    assert _generation(theirs) == before
