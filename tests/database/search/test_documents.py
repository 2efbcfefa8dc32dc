"""Search documents follow titles and messages, whichever way these are written."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select, text, update

from app import create_app
from cache.namespaces import CONVERSATIONS, USERS
from cache.scopes import EVERYONE, UserId
from database.search.documents import (
    BypassesSearch,
    SearchDocument,
    having,
    is_index_of_search,
)
from database.search.words import parse_terms
from database.session import db, read_session, write_session
from database.tables.conversations import Conversation, Message
from database.tables.users import User
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.factories.conversations import make_conversation

INTEGRITY = "INSERT INTO search_index(search_index, rank) VALUES ('integrity-check', 1)"


@pytest.fixture
def app(either_url, settings, clock):
    """An application on each of the two databases, with users `ann` and `ben`."""
    app = create_app(replace(settings, database_url=either_url), clock=clock)
    with app.app_context():
        db.create_all()
        for name in ("ann", "ben"):
            with unit_of_work() as work:
                now = runtime().clock.now()
                work.session.add(
                    User(id=name, name=name, role="member", created_at=now, updated_at=now)
                )
                work.invalidates(USERS.of(EVERYONE), USERS.of(UserId(name)))
        yield app
        app.extensions["larder_shutdown"](0.0)
        db.engine.dispose()


def found(query: str, owner: str = "ann") -> list[str]:
    """The bodies that the index gives for `query`."""
    with read_session() as session:
        terms = parse_terms(query)
        wanted = select(SearchDocument.body).where(*having(session, owner, terms))
        return sorted(session.scalars(wanted))


def count_documents() -> int:
    """How many documents there are; on SQLite the index is checked against them."""
    with read_session() as session:
        if session.get_bind().dialect.name == "sqlite":
            session.execute(text(INTEGRITY))
        return session.scalar(select(func.count()).select_from(SearchDocument)) or 0


def test_titles_and_messages_are_found_by_their_words(app: Flask):
    """The index has what was said, folded, each owner's apart."""
    make_conversation("ann", "Trip to Zürich", ["Where is the café?", "Here."])
    make_conversation("ben", "Zurich too", [])

    assert found("zurich ") == [" trip to zurich "]
    assert found("CAFÉ is") == [" where is the cafe "]
    assert found('"is the"') == [" where is the cafe "]
    assert found('"the is"') == []
    assert found("caf") == [" where is the cafe "]
    assert found("caf ") == []


def test_a_changed_text_is_found_anew(app: Flask):
    """What it said before is not found any more."""
    thread_id = make_conversation("ann", "Mountains", ["draft"])

    with unit_of_work() as work:
        work.session.get_one(Conversation, thread_id).title = "Sea"
        work.session.scalars(select(Message)).one().content = ""
        work.invalidates(CONVERSATIONS.of(UserId("ann")))

    assert found("mountains ") == found("draft ") == []
    assert found("sea ") == [" sea "]
    assert count_documents() == 1


def test_a_write_that_is_rolled_back_is_not_found(app: Flask):
    """The index is part of the transaction."""
    now = runtime().clock.now()
    times = {"created_at": now, "updated_at": now, "active_at": now}
    never = Conversation(user_id="ann", title="Never", **times)

    with write_session() as session:
        session.add(never)
        session.flush()

    assert found("never ") == []


@pytest.mark.parametrize(
    "statement",
    [
        delete(Message),
        delete(Conversation),
        delete(User).where(User.id == "ann"),
    ],
    ids=["messages", "conversations", "the user"],
)
def test_what_is_deleted_is_forgotten_however_it_goes(app: Flask, statement):
    """Bulk deletions and cascades pass by the session's objects, not by the database."""
    make_conversation("ann", "", ["harbour"] * 3)

    with unit_of_work() as work:
        work.session.execute(statement)
        work.invalidates(CONVERSATIONS.of(UserId("ann")), USERS.of(UserId("ann")))

    assert found("harbour ") == []
    assert count_documents() == 0


def test_a_long_branch_can_be_deleted(app: Flask):
    """A chain of messages must not become a recursion deeper than the database goes."""
    thread_id = make_conversation("ann", "Long", ["more"] * 1500)

    with unit_of_work() as work:
        work.session.delete(work.session.get_one(Conversation, thread_id))
        work.invalidates(CONVERSATIONS.of(UserId("ann")))

    assert count_documents() == 0


def test_a_bulk_statement_cannot_change_texts(app: Flask):
    """It would leave the search behind; other columns are no matter."""
    make_conversation("ann", "Sea", ["one"])

    with unit_of_work() as work:
        work.session.execute(update(Message).values(status="error"))
        with pytest.raises(BypassesSearch):
            work.session.execute(update(Message).values(content="two"))
        with pytest.raises(BypassesSearch):
            work.session.execute(insert(Message), [{"content": "two"}, {"content": "three"}])
        with pytest.raises(BypassesSearch):
            work.session.execute(update(Conversation), [{"id": "x", "title": "Two"}])
        work.invalidates(CONVERSATIONS.of(UserId("ann")))

    assert found("one ") == [" one "]


def test_the_longest_message_can_be_stored(app: Flask):
    """A million different words of three bytes a letter are more than a vector may hold."""
    text_of_many_words = " ".join(
        chr(0x1000 + at % 40) * (1 + at // 40 % 50) for at in range(40_000)
    )

    make_conversation("ann", "Long", [text_of_many_words[:1_000_000]])

    assert count_documents() == 2


def test_the_database_and_the_tables_differ_only_in_the_index(app: Flask):
    """A migration made from the tables must not try to drop what has no mapped class."""
    inspector = db.inspect(db.engine)
    unmapped = set(inspector.get_table_names()) - set(db.metadata.tables)
    columns = {each["name"] for each in inspector.get_columns("search_documents")}
    columns -= set(SearchDocument.__table__.columns.keys())

    assert all(is_index_of_search("table", each) for each in unmapped)
    assert all(is_index_of_search("column", each) for each in columns)
    assert not is_index_of_search("table", "messages")
