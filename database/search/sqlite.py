"""Full text on SQLite: an FTS5 index over `search_documents`, kept in step by triggers.

The words are folded already, so the tokeniser only splits at spaces: beyond ASCII every character
belongs to a word. Phrases are looked for in the text itself; the index needs no positions.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, literal_column, text

from database.search.words import Term

__all__ = ["CREATE", "DROP", "INDEX_TABLES", "indexed"]

CREATE = (
    """\
CREATE VIRTUAL TABLE search_index USING fts5(
    user_id, body, content='search_documents', content_rowid='id',
    tokenize="ascii tokenchars '-'", detail='none', columnsize=0
)""",
    """\
CREATE TRIGGER search_documents_added AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_index(rowid, user_id, body) VALUES (new.id, new.user_id, new.body);
END""",
    """\
CREATE TRIGGER search_documents_removed AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_index(search_index, rowid, user_id, body)
    VALUES ('delete', old.id, old.user_id, old.body);
END""",
    """\
CREATE TRIGGER search_documents_changed AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_index(search_index, rowid, user_id, body)
    VALUES ('delete', old.id, old.user_id, old.body);
    INSERT INTO search_index(rowid, user_id, body) VALUES (new.id, new.user_id, new.body);
END""",
)
"""The statements that stand beside the table; the migration runs them too."""

DROP = ("DROP TABLE IF EXISTS search_index",)
"""What goes before the table does; its triggers go with it."""

INDEX_TABLES = frozenset(
    {
        "search_index",
        "search_index_config",
        "search_index_data",
        "search_index_docsize",
        "search_index_idx",
    }
)
"""The tables that FTS5 keeps; no mapped class stands for them."""


def indexed(owner: str, terms: Iterable[Term]) -> ColumnElement[bool]:
    """Whether a document is `owner`'s and has every word of `terms`, by the index."""
    asked = [f'"{owner}"']
    for term in terms:
        asked += [f'"{word}"' for word in term.words]
        if term.is_open:
            asked[-1] += "*"
    found = text("SELECT rowid FROM search_index WHERE search_index MATCH :asked")
    ids = found.bindparams(asked=" AND ".join(asked)).columns(literal_column("rowid"))
    return literal_column("search_documents.id").in_(ids)
