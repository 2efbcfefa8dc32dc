"""The FTS5 index by itself."""

import sqlite3

from database.search.sqlite import CREATE, DROP, INDEX_TABLES, indexed
from database.search.words import parse_terms


def make_tables() -> sqlite3.Connection:
    """A database with the table of documents and its index."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE search_documents (id INTEGER PRIMARY KEY, user_id, body)")
    for statement in CREATE:
        connection.execute(statement)
    return connection


def test_the_index_is_made_and_dropped_by_its_statements():
    """A migration runs these, up and down."""
    connection = make_tables()
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'search_index%'"
    made = {name for (name,) in connection.execute(tables)}

    connection.execute(DROP[0])

    assert made <= INDEX_TABLES
    assert connection.execute(tables).fetchall() == []


def test_a_document_is_one_word_a_space():
    """The tokeniser of the index must not fold or split what is folded already."""
    connection = make_tables()
    connection.execute(
        "INSERT INTO search_documents VALUES (1, '01-a', ' naïve 東 हिनदी x ')",
    )

    asked = [
        connection.execute("SELECT count(*) FROM search_index(?)", (word,)).fetchone()[0]
        for word in ('"naïve"', '"naive"', '"na"', '"東"', '"हिनदी"', '"01-a" AND "x"', '"01"')
    ]

    assert asked == [1, 0, 0, 1, 1, 1, 0]


def test_every_term_is_quoted():
    """No word can be taken for FTS5's own syntax."""
    condition = str(
        indexed("u", parse_terms("near and*")).compile(compile_kwargs={"literal_binds": True})
    )

    assert '\'"u" AND "near" AND "and"*\'' in condition
