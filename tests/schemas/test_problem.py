"""What an error looks like."""

from schemas.problem import ProblemSchema


def test_a_problem_has_the_members_of_its_rfc_and_ours():
    """RFC 9457's, the code that programs read, and the fields that were wrong."""
    problem = {
        "type": "urn:larder:problem:invalid",
        "title": "Invalid request",
        "status": 422,
        "detail": "Some fields are not as they must be.",
        "code": "invalid",
        "errors": {"name": ["Missing data for required field."]},
        "request_id": "r",
    }

    assert ProblemSchema().dump(problem) == problem
    assert ProblemSchema().validate(problem) == {}


def test_what_every_problem_has_is_required():
    """Clients rely on it."""
    assert set(ProblemSchema().validate({})) == {"type", "title", "status", "detail", "code"}
