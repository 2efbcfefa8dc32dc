"""Full text on PostgreSQL: a generated `tsvector` of `search_documents`, with a GIN index.

The words are folded already and go into the vector as they are: PostgreSQL's own parser would take
addresses, signed numbers and paths for single words, as SQLite does not.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, bindparam, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql.expression import cast

from database.search.words import Term

__all__ = ["CREATE", "INDEX", "VECTOR_COLUMN", "indexed"]

VECTOR_COLUMN = "words"
INDEX = "ix_search_documents_words"

CREATE = (
    """\
ALTER TABLE search_documents ADD COLUMN words tsvector GENERATED ALWAYS AS
(array_to_tsvector(string_to_array(user_id || rtrim(body), ' '))) STORED""",
    "CREATE INDEX ix_search_documents_words ON search_documents USING gin (words)",
)
"""The statements that stand beside the table; the migration runs them too."""


def indexed(owner: str, terms: Iterable[Term]) -> ColumnElement[bool]:
    """Whether a document is `owner`'s and has every word of `terms`, by the index."""
    asked = [f"'{owner}'"]
    for term in terms:
        asked += [f"'{word}'" for word in term.words]
        if term.is_open:
            asked[-1] += ":*"
    query = cast(bindparam("asked", " & ".join(asked)), TSQUERY)
    return literal_column("search_documents.words").op("@@", is_comparison=True)(query)
