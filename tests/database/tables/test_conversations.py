"""Folders, conversations and messages as the tables keep them."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from database.session import db, read_session
from database.tables.conversations import Conversation, Folder, Message, Stream
from database.tables.users import User
from tests.factories.rows import (
    NOW,
    count_rows,
    delete_row,
    make_conversation,
    make_message,
    make_user,
    put,
)

DEEP = 1500


def _folder(folder_id: str, parent_id: str | None = None) -> Folder:
    return Folder(
        id=folder_id, user_id="u1", parent_id=parent_id, name="x", created_at=NOW, updated_at=NOW
    )


def _stream(stream_id: str, status: str = "running") -> Stream:
    return Stream(
        id=stream_id, user_id="u1", key_id="k1", conversation_id="c1", model_id="acme/brain",
        endpoint="api", worker="host:1", status=status, input_estimate=1, started_at=NOW,
    )  # fmt: skip


def _one(column):
    with read_session() as session:
        return session.scalars(select(column)).one()


def test_a_folder_goes_with_the_folders_in_it_and_leaves_conversations(either):
    """Nothing that was said is lost by tidying up."""
    put(make_user(), _folder("f1"), _folder("f2", "f1"), make_conversation(folder_id="f2"))

    delete_row(Folder, id="f1")

    assert count_rows(Folder) == 0
    assert _one(Conversation.folder_id) is None


def test_a_conversation_goes_with_its_messages_and_streams(either):
    """What a user deletes is gone."""
    put(make_user(), make_conversation(), make_message("m1"), make_message("m2", parent_id="m1"))
    put(_stream("s1"))

    delete_row(Conversation, id="c1")

    assert (count_rows(Message), count_rows(Stream)) == (0, 0)


def test_a_message_goes_alone(either):
    """What answers it stays, as a beginning."""
    put(make_user(), make_conversation(), make_message("m1"), make_message("m2", parent_id="m1"))

    delete_row(Message, id="m1")

    assert _one(Message.parent_id) is None


def test_a_conversation_of_any_depth_can_be_deleted(either):
    """A branch of thousands of messages is no recursion."""
    put(make_user(), make_conversation())
    put(*(make_message(f"m{at}", parent_id=f"m{at - 1}" if at else None) for at in range(DEEP)))

    delete_row(Conversation, id="c1")

    assert count_rows(Message) == 0


def test_a_user_goes_with_all_they_said(either):
    """Deleting a person leaves no text of theirs."""
    put(make_user(), _folder("f1"), make_conversation(folder_id="f1"), make_message("m1"))

    delete_row(User, id="u1")

    assert [count_rows(table) for table in (Folder, Conversation, Message)] == [0, 0, 0]


@pytest.mark.parametrize("row", [_folder("f1", "gone"), make_message("m1", parent_id="gone")])
def test_a_parent_must_be_there(either, row):
    """A tree has no loose ends, whoever writes at the same moment."""
    put(make_user(), make_conversation())

    with pytest.raises(IntegrityError):
        put(row)


def test_long_texts_come_back_whole(either):
    """A message of a million characters is allowed."""
    put(make_user(), make_conversation(), make_message("m1", content="ö" * 1_000_000))

    assert _one(Message.content) == "ö" * 1_000_000


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("query", "way"),
    [
        ("SELECT id FROM streams WHERE status = 'running' ORDER BY started_at", "SCAN"),
        ("SELECT id FROM streams WHERE status = 'running' AND is_stop_requested = 1", "SEARCH"),
    ],
)
def test_running_streams_are_found_without_looking_at_all(app, query, way):
    """The sweep for lost ones runs every half minute, the look for stops five times a second."""
    with app.app_context(), db.engine.connect() as connection:
        steps = connection.execute(text("EXPLAIN QUERY PLAN " + query))
        plan = " ".join(str(row[3]) for row in steps)

    assert plan.startswith(f"{way} streams USING INDEX ix_streams_running")
