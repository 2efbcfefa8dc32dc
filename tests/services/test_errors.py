"""The errors that services raise: a word for programs, a sentence for people."""

import ast
from pathlib import Path

import pytest

from services import errors

KINDS = [each for each in errors.LarderError.__subclasses__() if each.__module__ == errors.__name__]


def test_each_kind_has_a_word_of_its_own():
    """Clients branch by it."""
    words = {
        "unauthenticated",
        "forbidden",
        "not_found",
        "invalid",
        "malformed",
        "too_large",
        "unsupported_media_type",
        "conflict",
        "precondition_failed",
        "budget_exceeded",
        "rate_limited",
        "unavailable",
    }
    own = [each.code for each in KINDS if each is not errors.UpstreamFailed]

    assert set(own) == words
    assert len(own) == len(words)


def test_the_tree_in_the_docstring_is_the_one_in_the_code():
    """It is what people read."""
    source = Path(errors.__file__).read_text(encoding="utf-8")
    drawn = ast.get_docstring(ast.parse(source)) or ""

    lines = [line[4:].split()[0] for line in drawn.splitlines() if line[:1] in "├└" and line[:1]]
    assert sorted(lines) == sorted(each.__name__ for each in KINDS)
    assert sorted(errors.__all__) == sorted([*lines, "LarderError"])


def test_a_code_of_ones_own_is_for_that_error_only():
    """The class keeps its word."""
    special = errors.Conflict("No.", code="too_many")

    assert (special.code, errors.Conflict("No.").code) == ("too_many", "conflict")
    assert str(special) == special.detail == "No."


def test_something_that_is_not_there_is_named_but_not_at_any_length():
    """An id of a megabyte is not sent back."""
    assert errors.NotFound.of("folder", "x").detail == "There is no folder “x”."
    assert len(errors.NotFound.of("folder", "x" * 10**6).detail) < 120


def test_wrong_fields_are_kept_by_name():
    """One or several, each with its messages; the caller's own lists are not shared."""
    given = {"a": ("One.", "Two."), "b": ["Three."]}

    fault = errors.Invalid(given)
    given["b"].append("Four.")  # type: ignore[attr-defined]

    assert fault.errors == {"a": ["One.", "Two."], "b": ["Three."]}
    assert errors.Invalid.field("a", "No.", code="cycle").errors == {"a": ["No."]}
    assert errors.Invalid.field("a", "No.", code="cycle").code == "cycle"


@pytest.mark.parametrize("retryable", [True, False])
def test_a_providers_failure_keeps_what_the_client_needs(retryable):
    """Its word, whether again helps and when, and which parameter."""
    fault = errors.UpstreamFailed(
        "m", code="provider_x", retryable=retryable, status=429, retry_after_s=7, param="tools"
    )

    assert (fault.code, fault.retryable, fault.status) == ("provider_x", retryable, 429)
    assert (fault.retry_after_s, fault.param) == (7, "tools")


def test_a_rate_limit_says_when_the_next_may_come():
    """Else clients would try at once."""
    assert errors.RateLimited("Slow.", retry_after_s=3.5).retry_after_s == 3.5
