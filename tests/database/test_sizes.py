"""How large texts are, as SQLite and PostgreSQL tell it."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from database.session import read_session, write_session
from database.sizes import bytes_of
from database.tables.conversations import Conversation, Message
from database.tables.users import User

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "reasoning", "params", "size"),
    [
        ("", None, None, 0),
        ("abc", None, None, 3),
        ("é漢😀", "abc", None, 12),
        ("a\\x", None, {"a": 1}, 11),
        ("x" * 100_000, "", None, 100_000),
    ],
)
def test_bytes_are_counted_and_not_characters(either, content, reasoning, params, size):
    """As the text is in UTF-8, JSON as it is written, and nothing for null."""
    times = {"created_at": NOW, "updated_at": NOW}
    with write_session() as session:
        session.add(User(id="u", name="U", role="member", is_active=True, **times))
        session.flush()
        thread = Conversation(id="c", user_id="u", title="", active_at=NOW, **times)
        thread.is_pinned = thread.is_archived = False
        session.add(thread)
        session.flush()
        said = {"content": content, "reasoning": reasoning, "params": params}
        session.add(
            Message(
                conversation_id="c", user_id="u", role="user", status="complete", **said, **times
            )
        )
        session.commit()

    with read_session() as session:
        columns = (Message.content, Message.reasoning, Message.params)
        found = session.scalar(select(bytes_of(session, *columns)))

    assert found == size
