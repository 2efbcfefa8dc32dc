"""What counts as a word, in texts and in queries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.search.words import (
    MAX_TEXT_CHARS,
    MAX_WORD_CHARS,
    Term,
    body_of,
    parse_terms,
    start_of_first,
    words_in,
)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Café au lait", " cafe au lait "),
        ("STRASSE straße", " strasse strasse "),
        ("cafe\u0301", " cafe "),
        ("foo-bar_baz, 3.14", " foo bar baz 3 14 "),
        ("½ ﬁn Ⅷ", " 1 2 fin viii "),
        ("東京タワー", " 東 京 タ ワ ー "),
        ("हिन्दी", " हिनदी "),
        ("a\u200cb a\u200bb so\u00adft", " ab a b soft "),
        ("❤️ 🎉 --- \t\n", ""),
        ("", ""),
    ],
)
def test_text_is_folded_to_words(text, body):
    """Case, accents, forms and punctuation make no difference to what is found."""
    assert body_of(text) == body


def test_a_long_word_is_cut():
    """A word of a megabyte would be more than an index takes."""
    assert body_of("a" * 5000) == f" {'a' * MAX_WORD_CHARS} "


def test_a_long_text_is_searched_up_to_its_limit():
    """PostgreSQL refuses vectors above a megabyte: a text that long must not fail to be stored."""
    body = body_of("\N{LINEAR B SYLLABLE B008 A} " * 600_000)

    assert 0 < len(body.encode()) < 1_000_000


def test_a_text_that_grows_when_folded_stays_within_the_limit():
    """One ligature can stand for eighteen letters."""
    assert len(body_of("\ufdfa" * MAX_TEXT_CHARS)) <= MAX_TEXT_CHARS + 2


@given(st.text())
def test_the_words_with_places_are_those_of_the_body(text):
    """Otherwise something would be found that cannot be marked."""
    words = list(words_in(text))

    assert "".join(f" {word.folded}" for word in words).strip() == body_of(text).strip()
    assert all(0 <= word.start < word.end <= len(text) for word in words)


def test_a_long_text_is_gone_through_from_little_before_the_first_place():
    """Word by word is slow: a page of search shows hundreds of such texts."""
    text = "z, " * 50_000 + "the sea " * 9_000

    start = start_of_first(text, parse_terms('"the sea" the '))

    assert 145_000 < start <= 150_000
    assert next(words_in(text, start)).folded == "z"


@settings(deadline=None)
@given(st.integers(0, 4_000), st.sampled_from(["-", "ab ", "東", "½", "é\u0301, ", "x"]))
def test_no_term_begins_before_the_place_found(repeated, filler):
    """Whatever stands before it, and wherever that is cut into pieces."""
    text = filler * repeated + " to-sea " + filler * 3_000 + " to sea"
    terms = parse_terms('"to sea" sea')

    start = start_of_first(text, terms)

    before = [word for word in words_in(text) if word.start < start]
    assert all(word.folded not in {"to", "sea"} for word in before)
    assert list(words_in(text))[len(before) :] == list(words_in(text, start))


def test_what_is_not_there_is_looked_for_from_the_beginning():
    """Another part of the text may have it, behind what is searched."""
    assert start_of_first("z " * 9_000, parse_terms("sea ")) == 0


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("Café", (Term(("cafe",), is_open=True),)),
        ("café ", (Term(("cafe",)),)),
        ("trip zur", (Term(("trip",)), Term(("zur",), is_open=True))),
        ("e-mail", (Term(("e", "mail"), is_open=True),)),
        ('"to the" sea ', (Term(("to", "the")), Term(("sea",)))),
        ('sea "to the"', (Term(("sea",)), Term(("to", "the")))),
        ('"to the', (Term(("to", "the")),)),
        ("x", (Term(("x",)),)),
        (
            "AND OR NOT ( * ^ NEAR(",
            (Term(("and",)), Term(("or",)), Term(("not",)), Term(("near",), is_open=True)),
        ),
        ('"" "!" ::', ()),
        ("sea sea ", (Term(("sea",)),)),
    ],
)
def test_what_is_typed_becomes_terms(query, terms):
    """There are no operators to get wrong: every word is only a word."""
    assert parse_terms(query) == terms


@given(st.text())
def test_any_query_is_terms_of_plain_words(query):
    """What goes to the index holds no character that an index would take for its syntax."""
    words = [word for term in parse_terms(query) for word in term.words]

    assert all(words)
    assert all(not set(word) & set(" \"'*:&|!()<>\\-+^") for word in words)
