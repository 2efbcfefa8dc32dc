"""The vector's condition; the vector itself is proved with the documents."""

from sqlalchemy.dialects import postgresql

from database.search.postgres import indexed
from database.search.words import parse_terms


def test_every_term_is_quoted():
    """No word can be taken for the query's own syntax, and none goes through a parser."""
    condition = indexed("u", parse_terms("near and*")).compile(dialect=postgresql.dialect())

    assert condition.params == {"asked": "'u' & 'near' & 'and':*"}
    assert "AS TSQUERY" in str(condition)
