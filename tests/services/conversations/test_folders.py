"""Folders as services see them: a tree of one user, whatever happens at the same moment."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from app import create_app
from cache.namespaces import CONVERSATIONS, STREAMS
from cache.scopes import UserId
from database.session import autocommit_connection, db, read_session
from database.tables.conversations import Conversation, Folder, Stream
from schemas.folders import FolderEdit, NewFolder
from services.conversations import folders
from services.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.doubles.together import together
from tests.factories.chats import make_conversation, say
from tests.factories.users import make_user
from tests.streams.scripts import wait_until

LIMIT_S = 30


@pytest.fixture
def owner(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield UserId(alice.user_id)


@pytest.fixture
def racing(either_url, settings, clock):
    """An application on each of the two databases, and a user of it."""
    app = create_app(replace(settings, database_url=either_url), clock=clock)
    with app.app_context():
        db.create_all()
    yield app, UserId(make_user(app, "Rita").user_id)
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()


def _made(owner, name, parent_id=None):
    folder_id: str = folders.create_folder(owner, NewFolder(name, parent_id))["id"]
    return folder_id


def _moved(owner, folder_id, parent_id):
    return folders.edit_folder(owner, folder_id, FolderEdit({"parent_id": parent_id}))


def _parents(owner):
    items = folders.list_folders(owner).value["items"]
    return {each["name"]: each["parent_id"] for each in items}


def test_the_tree_comes_whole_and_by_name(owner):
    """A page shows it in one piece."""
    outer = _made(owner, "b")
    _made(owner, "c", outer)
    _made(owner, "a")

    assert list(_parents(owner).items()) == [("a", None), ("b", None), ("c", outer)]


def test_a_change_leaves_what_it_does_not_name(owner, clock):
    """A rename does not move, a move does not rename, and null moves to the top."""
    outer = _made(owner, "outer")
    inner = _made(owner, "inner", outer)
    clock.advance(5)

    renamed = folders.edit_folder(owner, inner, FolderEdit({"name": "in"}))
    moved = _moved(owner, inner, None)

    assert (renamed["name"], renamed["parent_id"]) == ("in", outer)
    assert (moved["name"], moved["parent_id"]) == ("in", None)
    assert moved["created_at"] < moved["updated_at"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_does_not_go_under_itself(owner, depth):
    """Not directly, not by way of its children."""
    ids = [_made(owner, "0")]
    ids.append(_made(owner, "1", ids[0]))
    ids.append(_made(owner, "2", ids[1]))

    with pytest.raises(Invalid) as refused:
        _moved(owner, ids[0], ids[depth])

    assert (list(refused.value.errors), refused.value.code) == (["parent_id"], "cycle")
    assert _parents(owner)["0"] is None


@pytest.mark.parametrize("parent", ["nothing", "of Bob's"])
def test_a_parent_must_be_ones_own(owner, bob, parent):
    """A foreign folder cannot be told from a missing one."""
    parents = {"nothing": "nothing", "of Bob's": _made(UserId(bob.user_id), "Bob's")}
    mine = _made(owner, "mine")

    with pytest.raises(Invalid):
        _made(owner, "new", parents[parent])
    with pytest.raises(Invalid):
        _moved(owner, mine, parents[parent])

    assert _parents(owner) == {"mine": None}


def test_somebody_elses_folder_is_not_there(owner, bob):
    """Neither to change nor to delete."""
    theirs = _made(UserId(bob.user_id), "Bob's")

    with pytest.raises(NotFound):
        folders.edit_folder(owner, theirs, FolderEdit({"name": "mine"}))
    with pytest.raises(NotFound):
        folders.delete_folder(owner, theirs, contents="delete")

    assert _parents(UserId(bob.user_id)) == {"Bob's": None}


@pytest.mark.parametrize("contents", ["unfile", "delete"])
def test_a_deleted_folder_takes_folders_along_and_its_content_as_said(alice, owner, contents):
    """At every depth; what lies elsewhere is not touched, and the search follows."""
    outer = _made(owner, "outer")
    inner = _made(owner, "inner", outer)
    other = _made(owner, "other")
    chats = [make_conversation(alice, folder_id=each) for each in (outer, inner, other)]
    say(alice, chats[1], "pelican")

    folders.delete_folder(owner, outer, contents=contents)

    listed = alice.get("/api/conversations").json["items"]
    found = alice.get("/api/conversations/search", query_string={"q": "pelican"}).json["items"]
    assert _parents(owner) == {"other": None}
    places = {each["id"]: each["folder_id"] for each in listed}
    unfiled = dict.fromkeys(chats[:2]) if contents == "unfile" else {}
    assert places == {**unfiled, chats[2]: other}
    assert bool(found) is (contents == "unfile")


def test_a_change_of_another_version_is_refused(owner):
    """And nothing of it is done."""
    mine = _made(owner, "mine")

    with pytest.raises(PreconditionFailed):
        folders.edit_folder(owner, mine, FolderEdit({"name": "x"}), if_match='"other"')
    with pytest.raises(PreconditionFailed):
        folders.delete_folder(owner, mine, contents="delete", if_match='"other"')

    assert _parents(owner) == {"mine": None}


def test_a_users_folders_are_counted(owner, bob):
    """The tree comes whole: it must stay small. Others' folders are others'."""
    for number in range(folders.MAX_FOLDERS):
        _made(owner, str(number))

    with pytest.raises(Conflict) as refused:
        _made(owner, "one more")

    assert refused.value.code == "too_many_folders"
    assert _made(UserId(bob.user_id), "first")


@pytest.mark.parametrize("round_", range(5))
def test_moves_at_once_leave_a_tree(racing, round_):
    """Each of two moves is fine by itself; together they would close a circle out of reach."""
    app, owner = racing
    with app.app_context():
        ids = {name: _made(owner, name) for name in "ab"}
        ids |= {f"in-{name}": _made(owner, f"in-{name}", ids[name]) for name in "ab"}

    def moving(folder, parent):
        with app.app_context():
            try:
                _moved(owner, ids[folder], ids[parent])
            except Invalid:
                return "refused"
            return "moved"

    done = together([lambda: moving("a", "in-b"), lambda: moving("b", "in-a")])

    assert sorted(done) == ["moved", "refused"]


def _is_somebody_waiting() -> bool:
    with autocommit_connection() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def _deleting(app, owner, folder_id, contents):
    """A deletion on a thread of its own, and whether it came to its end."""
    ends: list[str] = []

    def delete() -> None:
        with app.app_context():
            folders.delete_folder(owner, folder_id, contents=contents)
            ends.append("deleted")

    return threading.Thread(target=delete), ends


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("contents", ["unfile", "delete"])
def test_a_folder_is_deleted_while_something_is_asked_in_it(app, alice, owner, contents):
    """The question waits for nobody who waits for it, and its answer does not run on unseen."""
    folder_id = _made(owner, "trips")
    conversation_id = make_conversation(alice, folder_id=folder_id)
    deletion, ends = _deleting(app, owner, folder_id, contents)

    with unit_of_work() as work:
        asked = select(Conversation).where(Conversation.id == conversation_id)
        work.session.scalars(asked.with_for_update()).one()
        deletion.start()
        wait_until(_is_somebody_waiting)
        # As PostgreSQL does when a conversation is written.
        its_folder = select(Folder.id).where(Folder.id == folder_id)
        work.session.scalars(its_folder.with_for_update(read=True, key_share=True)).one()
        work.session.add(
            Stream(
                id="s",
                user_id=owner,
                key_id="key",
                conversation_id=conversation_id,
                model_id="demo/echo",
                endpoint="messages",
                worker="another-machine:1",
                status="running",
                input_estimate=1,
                started_at=runtime().clock.now(),
            )
        )
        work.invalidates(STREAMS.of(owner))
    deletion.join(LIMIT_S)

    assert ends == ["deleted"]
    with read_session() as session:
        assert session.get_one(Stream, "s").is_stop_requested is (contents == "delete")


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_folder_is_deleted_while_folders_inside_are_moved(app, owner):
    """Both take the folders in one order, wherever they stand in the tree."""
    older, newer = _made(owner, "older"), _made(owner, "newer")
    _moved(owner, older, newer)
    deletion, ends = _deleting(app, owner, newer, "unfile")

    with unit_of_work() as work:
        for each in (older, newer):
            row = select(Folder.id).where(Folder.id == each)
            work.session.scalars(row.with_for_update(key_share=True)).one()
            if each == older:
                deletion.start()
                wait_until(_is_somebody_waiting)
    deletion.join(LIMIT_S)

    assert ends == ["deleted"]


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_conversation_is_filed_while_its_folder_goes(app, alice, owner):
    """The refusal names the field, as a moment later."""
    folder_id = _made(owner, "trips")
    conversation_id = make_conversation(alice)
    answers: list[int] = []

    def file() -> None:
        path = f"/api/conversations/{conversation_id}"
        answers.append(alice.patch(path, json={"folder_id": folder_id}).status_code)

    filing = threading.Thread(target=file)
    with unit_of_work() as work:
        work.session.delete(work.session.get_one(Folder, folder_id))
        work.session.flush()  # the folder is gone for nobody yet
        filing.start()
        wait_until(_is_somebody_waiting)
        work.invalidates(CONVERSATIONS.of(owner))
    filing.join(LIMIT_S)

    assert answers == [422]


def test_a_large_tree_comes_in_pages(owner):
    """By name, and folders of one name by age, none twice and none left out."""
    made = [_made(owner, name) for name in ("b", "a", "b", "c", "a")]

    page = folders.list_folders(owner, 2).value
    seen = page["items"]
    while page["next_cursor"]:
        page = folders.list_folders(owner, 2, page["next_cursor"]).value
        seen += page["items"]

    assert [each["id"] for each in seen] == [made[number] for number in (1, 4, 0, 2, 3)]
