"""Search: the same results for the same conversations, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app import create_app
from cache.namespaces import USERS
from cache.scopes import EVERYONE, UserId
from config import Settings
from database.session import db
from database.tables.users import User
from schemas.search import SearchQuery
from services.conversations.search import LISTING, MAX_WORDS, search_conversations
from services.errors import Invalid
from services.paging import encode_cursor
from services.unit_of_work import unit_of_work
from tests.doubles.fake_clock import FakeClock
from tests.factories.conversations import make_conversation

ON_EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
ANN = UserId("ann")
START = datetime(2026, 1, 1, tzinfo=UTC)
THREADS = (
    ("Café in Zürich", ["Where is a good café?", "Try the one by the lake."]),
    ("Lake", ["A lake, the lake, lakes.", "The LAKE of Zurich", "no water here"]),
    ("E-mail setup", ["my e-mail is a@b.example, port 3.14", "see http://host.example/lake?q=1"]),
    ("東京タワー", ["東京に行きたい", "京都 and 東京"]),
    ("ΣΊΣΥΦΟΣ", ["Straße STRASSE strasse", "हिन्दी में लिखो"]),
    ("", ["<b>lake</b> & 'quotes' \"double\"", "foo_bar -5 +7 1e10 x.y/z"]),
)
QUERIES = (
    "lake",
    "lak",
    "lake ",
    "LAKE zurich",
    "zürich",
    '"the lake"',
    '"lake the"',
    "the one by the lake ",
    "e-mail",
    "a@b.example",
    "http://host.example/lake?q=1",
    "host exam",
    "3.14",
    "3",
    "-5",
    "1e1",
    "1e10 ",
    "foo_bar",
    "foo_b",
    "x.y/z",
    "東京",
    "京都",
    "東",
    "σίσυφος",
    "σισυφοσ",
    "straße",
    "हिन्दी",
    "हि",
    "<b>",
    "' OR 1=1 --",
    "lake & | ! ( ) : * \\",
    "lake AND zurich",
    "lake NEAR zurich",
    '"""',
    "*",
    "\\",
    "%",
    "'",
    "nothing of this",
)


@contextmanager
def app_on(settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application with `ann`, in its context."""
    app = create_app(settings, clock=clock)
    with app.app_context():
        db.create_all()
        with unit_of_work() as work:
            times = {"created_at": START, "updated_at": START}
            work.session.add(User(id=ANN, name="Ann", role="member", **times))
            work.invalidates(USERS.of(EVERYONE), USERS.of(ANN))
        yield app
        app.extensions["larder_shutdown"](0.0)
        db.engine.dispose()


@pytest.fixture
def app(settings: Settings, clock: FakeClock) -> Iterator[Flask]:
    """An application on SQLite, with `ann`."""
    with app_on(settings, clock) as app:
        yield app


def search(q: str, **asked: Any) -> list[dict[str, Any]]:
    """The conversations found for `q`."""
    items: list[dict[str, Any]] = search_conversations(ANN, SearchQuery(q=q, **asked)).value[
        "items"
    ]
    return items


def make_threads() -> None:
    """Conversations of which each was active a day after the one before."""
    for day, (title, contents) in enumerate(THREADS):
        at = START + timedelta(days=day)
        make_conversation(ANN, title, contents, active_at=at)


def outcome(q: str, **asked: Any) -> list[Any]:
    """What is found for `q`, without ids."""
    return [
        (
            found["title"],
            found["title_snippet"],
            found["match_count"],
            [(each["role"], each["snippet"]) for each in found["messages"]],
        )
        for found in search(q, **asked)
    ]


@pytest.mark.server
def test_both_databases_find_the_same(settings, clock, postgres_url):
    """Moving from SQLite to PostgreSQL must not change what people find, or in which order."""
    outcomes = []
    for each in (settings, replace(settings, database_url=postgres_url)):
        with app_on(each, clock):
            make_threads()
            outcomes.append({query: outcome(query) for query in QUERIES})

    on_sqlite, on_postgres = outcomes

    assert on_sqlite == on_postgres
    assert {query for query in QUERIES if on_sqlite[query]} >= {
        "lak",
        "e-mail",
        "3.14",
        "東京",
        "हि",
    }


def test_titles_come_first_then_more_matches_then_the_last_active(app):
    """The rank is a rule that people can be told."""
    make_conversation(ANN, "Sea", [], active_at=START)
    make_conversation(ANN, "Once", ["sea"], active_at=START + timedelta(days=3))
    make_conversation(ANN, "Twice", ["sea", "sea"], active_at=START)
    make_conversation(ANN, "Once again", ["sea"], active_at=START + timedelta(days=4))

    assert [each["title"] for each in search("sea")] == ["Sea", "Twice", "Once again", "Once"]


def test_all_words_must_stand_in_one_place(app):
    """One word here and one there is not what was meant."""
    make_conversation(ANN, "", ["blue sea", "red sun"])

    assert search("blue sun") == []
    assert len(search("sea blue")) == 1


def test_the_newest_three_messages_are_shown(app):
    """A long conversation about one thing must not fill the page."""
    make_conversation(ANN, "", [f"sea number {number}" for number in range(5)])

    (found,) = search("sea")

    assert found["match_count"] == 5
    assert [each["snippet"][-1] for each in found["messages"]] == ["4", "3", "2"]


def test_filters_are_combined(app):
    """Each of them narrows."""
    late = START + timedelta(days=9)
    make_conversation(ANN, "Sea one", [], created_at=START, model_id="demo/echo")
    make_conversation(ANN, "Sea two", [], created_at=late, model_id="demo/echo")
    make_conversation(ANN, "Sea three", [], created_at=late)

    found = search("sea", model="demo/echo", from_at=late - timedelta(days=1))

    assert [each["title"] for each in found] == ["Sea two"]
    assert search("sea", to_at=START) == []
    assert search("sea", folder_id="none") == []


def test_pages_go_through_all_once(app):
    """Each conversation once, whatever is added in between."""
    for number in range(7):
        make_conversation(ANN, f"Sea {number}", [], active_at=START + timedelta(days=number))
    first = search_conversations(ANN, SearchQuery(q="sea", limit=3)).value
    make_conversation(ANN, "Sea 7", [], active_at=START + timedelta(days=7))

    query = SearchQuery(q="sea", limit=10, cursor=first["next_cursor"])
    second = search_conversations(ANN, query).value

    titles = [each["title"][-1] for each in first["items"] + second["items"]]
    assert titles == ["6", "5", "4", "3", "2", "1", "0"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
@pytest.mark.parametrize("number", [2**31, 2**63 - 1, -(2**63) + 1])
def test_a_cursor_of_large_numbers_is_a_place_as_any(app, number):
    """A made-up one must not look like a database that is away."""
    make_conversation(ANN, "Sea", [])
    cursor = encode_cursor(LISTING, [number, number, START, "x"])

    assert len(search("sea", cursor=cursor)) == (number > 0)


def test_too_many_words_are_refused(app):
    """A query must not cost more than any person would ask."""
    with pytest.raises(Invalid):
        search_conversations(
            ANN, SearchQuery(q=" ".join(f"w{each}" for each in range(MAX_WORDS + 1)))
        )


def test_punctuation_alone_finds_nothing(app):
    """It is not an error to type a dot."""
    make_threads()

    assert search('... "!" ?') == []
