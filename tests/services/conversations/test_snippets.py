"""Snippets: what was found is marked, everything else is harmless text."""

from hypothesis import given
from hypothesis import strategies as st

from database.search.words import parse_terms, words_in
from services.conversations import snippets
from services.conversations.snippets import highlight, snippet

LOREM = "Lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor. " * 5


def test_everything_but_the_mark_is_escaped():
    """A snippet is put into pages as HTML: nobody's message may become markup there."""
    text = '<script>alert("sea")</script> & <mark>'

    marked = highlight(text, parse_terms("sea "))

    assert marked == (
        "&lt;script&gt;alert(&quot;<mark>sea</mark>&quot;)&lt;/script&gt; &amp; &lt;mark&gt;"
    )


def test_the_original_words_are_shown():
    """What is found by its folded form is shown as it was written."""
    assert highlight("Am ZÜRICHSEE, in Zürich.", parse_terms("zurich ")) == (
        "Am ZÜRICHSEE, in <mark>Zürich</mark>."
    )
    assert highlight("Am ZÜRICHSEE", parse_terms("zuri")) == "Am <mark>ZÜRICHSEE</mark>"


def test_a_phrase_is_marked_as_one():
    """Its words alone are not what was looked for."""
    assert highlight("to be, not to-be", parse_terms('"to be"')) == (
        "<mark>to be</mark>, not <mark>to-be</mark>"
    )


def test_marks_that_overlap_become_one():
    """Nested marks would be broken HTML."""
    terms = parse_terms('"a b" "b c" b ')

    assert highlight("a b c", terms) == "<mark>a b c</mark>"


def test_a_snippet_is_cut_between_words_around_the_first_place():
    """The place is to be seen in a line, with what stands around it."""
    shown = snippet(LOREM + "the HARBOUR at night " + LOREM, parse_terms("harbour "))

    assert shown.startswith("…")
    assert "the <mark>HARBOUR</mark> at night Lorem ipsum" in shown
    assert shown.endswith("…")
    assert len(shown) < 220


def test_a_short_text_is_shown_whole_in_one_line():
    """There is nothing to cut; line breaks do not matter in a line."""
    assert snippet("the\n\n  harbour\tat night", parse_terms("harbour ")) == (
        "the <mark>harbour</mark> at night"
    )


def test_a_text_without_spaces_is_cut_anywhere():
    """A megabyte of one word is no reason to send a megabyte."""
    assert len(snippet("x" * 10_000 + "-sea-" + "y" * 10_000, parse_terms("sea "))) < 220


def test_a_place_far_down_a_long_text_is_not_reached_word_by_word(monkeypatch):
    """A page of search shows hundreds of such texts: it must not hold up its worker."""
    looked_at = []

    def counted(*args):
        for word in words_in(*args):
            looked_at.append(word)
            yield word

    monkeypatch.setattr(snippets, "words_in", counted)

    shown = snippet("z " * 90_000 + "the sea", parse_terms("sea "))

    assert "<mark>sea</mark>" in shown
    assert len(looked_at) < 3_000


@given(st.text(), st.text(max_size=40))
def test_any_text_and_query_give_a_snippet(text, query):
    """Whatever is typed, nothing fails, and every mark is closed."""
    shown = snippet(text, parse_terms(query))

    assert shown.count("<mark>") == shown.count("</mark>")
    assert "<" not in shown.replace("<mark>", "").replace("</mark>", "")
