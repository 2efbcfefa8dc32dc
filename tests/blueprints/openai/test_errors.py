"""Errors under `/v1` look as OpenAI's clients expect, and no other path's do."""

import msgspec
import pytest

from blueprints.openai.errors import KINDS, openai_error
from services import errors

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]


def _shape(fault, status=500):
    response = openai_error(status, getattr(fault, "detail", "Oops."), "some_code", fault)
    return response.status_code, msgspec.json.decode(response.data)["error"]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (errors.Unauthenticated("m"), 401, "authentication_error"),
        (errors.Forbidden("m"), 403, "permission_error"),
        (errors.NotFound("m"), 404, "invalid_request_error"),
        (errors.Malformed("m"), 400, "invalid_request_error"),
        (errors.TooLarge("m"), 413, "invalid_request_error"),
        (errors.Unsupported("m"), 415, "invalid_request_error"),
        (errors.Conflict("m"), 409, "invalid_request_error"),
        (errors.BudgetExceeded("m"), 402, "insufficient_quota"),
        (errors.RateLimited("m", retry_after_s=1), 429, "rate_limit_error"),
        (errors.Unavailable("m"), 503, "api_error"),
    ],
)
def test_each_error_has_its_status_and_type(fault, status, kind):
    """Clients turn them into classes, and decide by them whether to try again."""
    assert _shape(fault) == (
        status,
        {"message": "m", "type": kind, "param": None, "code": "some_code"},
    )


def test_every_error_of_the_tree_has_a_type():
    """A new error must not come out as somebody else's fault; no resource of `/v1` has versions."""
    tree = set(errors.LarderError.__subclasses__())
    ours = {each for each in tree if each.__module__ == errors.__name__}

    assert ours - set(KINDS) == {errors.PreconditionFailed}


def test_a_wrong_field_is_the_param_and_a_400():
    """OpenAI knows no 422 here."""
    status, error = _shape(errors.Invalid({"messages.0.role": ["Missing.", "Really."], "b": ["x"]}))

    assert status == 400
    assert error["param"] == "messages.0.role"
    assert error["message"] == "messages.0.role: Missing. Really."


def test_a_providers_refusal_keeps_its_status_and_param():
    """What the provider says is wrong with the request is for the caller to mend."""
    fault = errors.UpstreamFailed("m", code="provider_rejected", retryable=False, param="tools")

    assert _shape(fault, 400) == (
        400,
        {"message": "m", "type": "invalid_request_error", "param": "tools", "code": "some_code"},
    )


def test_a_providers_refusal_keeps_its_code():
    """Clients look for `context_length_exceeded`, and shorten what they send."""
    fault = errors.UpstreamFailed(
        "m", code="provider_rejected", retryable=False, upstream_code="context_length_exceeded"
    )

    assert _shape(fault, 400)[1]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("status", "kind"), [(405, "invalid_request_error"), (500, "api_error"), (503, "api_error")]
)
def test_what_no_service_raised_goes_by_its_status(status, kind):
    """Flask's own errors, and the unexpected."""
    assert _shape(None, status)[1]["type"] == kind


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "not_found"),
        ("GET", CHAT, {}, 405, "method_not_allowed"),
        ("POST", CHAT, {"data": "{", "content_type": "application/json"}, 400, "invalid_json"),
        ("POST", CHAT, {"data": "x", "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ("POST", CHAT, {"json": {"model": "demo/echo"}}, 400, "invalid"),
        ("POST", CHAT, {"json": {"model": "x", "messages": HELLO}}, 404, "model_not_found"),
        ("GET", "/v1/models", {"headers": {"Authorization": "Bearer no"}}, 401, "invalid_api_key"),
        ("GET", "/v1/models", {"headers": {"Authorization": ""}}, 401, "unauthenticated"),
    ],
)
def test_all_of_v1_answers_so(alice, method, path, options, status, code):
    """Also what goes wrong before any view is reached."""
    answer = alice.open(method, path, **options)

    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert set(answer.json) == {"error"}
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert answer.json["error"]["code"] == code
    assert answer.headers["X-Request-Id"]


def test_under_api_the_same_error_is_a_problem(alice):
    """Two surfaces, two shapes."""
    answer = alice.get("/api/models/demo/nothing")

    assert answer.content_type == "application/problem+json"
    assert "error" not in answer.json


def test_a_path_that_only_begins_like_v1_is_none(alice):
    """`/v1x` is nothing of OpenAI's."""
    answer = alice.get("/v1x/nothing")

    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
