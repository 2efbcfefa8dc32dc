"""Conversations: made, changed, listed by their last activity."""

from typing import Any

import pytest

from cache.scopes import UserId
from schemas.conversations import (
    ConversationEdit,
    ConversationQuery,
    NewConversation,
)
from schemas.folders import NewFolder
from services.conversations import folders, threads
from services.errors import Invalid, NotFound, PreconditionFailed
from tests.factories.conversations import make_conversation


@pytest.fixture
def owner(app, alice):
    """Alice, within the application."""
    with app.app_context():
        yield UserId(alice.user_id)


def titles(owner: UserId, **asked: Any) -> list[str]:
    """The titles of one page."""
    page = threads.list_conversations(owner, ConversationQuery(**asked)).value
    return [each["title"] for each in page["items"]]


def test_the_last_active_comes_first(owner, clock):
    """What one worked on last is what one wants next."""
    for name in ("One", "Two", "Three"):
        clock.advance(1)
        threads.create_conversation(owner, NewConversation(title=name))

    assert titles(owner) == ["Three", "Two", "One"]


def test_filters_are_combined(owner):
    """Each of them narrows."""
    folder = folders.create_folder(owner, NewFolder("Trips"))["id"]
    for title, asked in {
        "plain": {},
        "filed": {"folder_id": folder},
        "filed, pinned": {"folder_id": folder, "pinned": True},
        "filed, archived": {"folder_id": folder, "archived": True},
    }.items():
        threads.create_conversation(owner, NewConversation(title=title, **asked))

    assert titles(owner, folder_id=folder, archived=False, pinned=False) == ["filed"]
    assert titles(owner, folder_id=folder, pinned=True) == ["filed, pinned"]
    assert titles(owner, archived=True) == ["filed, archived"]
    assert len(titles(owner)) == 4


def test_pages_stay_right_while_rows_are_added(owner, clock):
    """Nothing is skipped or shown twice; equal times are told apart by their ids."""
    for number in range(5):
        make_conversation(owner, str(number), [])
    page = threads.list_conversations(owner, ConversationQuery(limit=2)).value
    seen = [each["title"] for each in page["items"]]
    clock.advance(1)
    make_conversation(owner, "new", [])

    while page["next_cursor"]:
        query = ConversationQuery(limit=2, cursor=page["next_cursor"])
        page = threads.list_conversations(owner, query).value
        seen += [each["title"] for each in page["items"]]

    assert seen == ["4", "3", "2", "1", "0"]


def test_only_what_is_named_changes(owner):
    """A patch of one field leaves the others."""
    new = NewConversation(title="Talk", model="demo/echo", system_prompt="Be brief.")
    thread = threads.create_conversation(owner, new)

    edited = threads.edit_conversation(owner, thread["id"], ConversationEdit({"title": "Chat"}))

    assert edited == {**thread, "title": "Chat"}


def test_a_folder_must_be_ones_own(owner, app, bob):
    """Nothing can be filed where its owner cannot see."""
    foreign = folders.create_folder(UserId(bob.user_id), NewFolder("Bob's"))["id"]
    thread = make_conversation(owner, "Talk", [])

    with pytest.raises(Invalid):
        threads.create_conversation(owner, NewConversation(folder_id=foreign))
    with pytest.raises(Invalid):
        threads.edit_conversation(owner, thread, ConversationEdit({"folder_id": foreign}))


def test_what_is_deleted_is_gone_for_every_read(owner):
    """Reads that were warm included."""
    thread = make_conversation(owner, "Talk", ["one"])
    threads.get_conversation(owner, thread)

    threads.delete_conversation(owner, thread)

    assert titles(owner) == []
    with pytest.raises(NotFound):
        threads.get_conversation(owner, thread)


def test_another_version_is_not_deleted(owner):
    """`If-Match` protects what one has not seen."""
    thread = make_conversation(owner, "Talk", [])

    with pytest.raises(PreconditionFailed):
        threads.delete_conversation(owner, thread, if_match='"other"')

    assert titles(owner) == ["Talk"]
