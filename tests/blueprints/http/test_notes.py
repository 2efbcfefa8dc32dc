"""What decorators note on a view reaches the outermost of its wrappers, and no other view."""

from functools import wraps

from blueprints.http.notes import IF_MATCH, Header, also_answers, note, notes_of, takes


def _view(if_match=None):
    return if_match


def test_a_view_is_handed_the_header_that_is_noted(app):
    """One line does both, so the document cannot leave out what is read."""
    taking = takes(IF_MATCH)(_view)

    with app.test_request_context(headers={"If-Match": '"abc"'}):
        assert taking() == '"abc"'
    with app.test_request_context():
        assert taking() is None
    assert notes_of(taking).headers == (IF_MATCH,)
    assert notes_of(taking).responses[0][0] == "412"


def test_notes_add_up_and_go_outward_only():
    """A wrapper's note says nothing of what it wraps."""
    inner = takes(IF_MATCH)(_view)

    @wraps(inner)
    def outer():
        return inner()

    other = Header("Other", "Another one.")
    note(outer, other, responses={"200": {"description": "Fine."}})

    assert notes_of(outer).headers == (IF_MATCH, other)
    assert [status for status, _ in notes_of(outer).responses] == ["412", "200"]
    assert notes_of(inner).headers == (IF_MATCH,)
    assert notes_of(_view).headers == ()


def test_an_answer_beside_the_usual_one_is_noted():
    """By its status, whatever it is."""
    told = {"description": "Not now."}

    assert notes_of(also_answers(503, told)(lambda: None)).responses == (("503", told),)
