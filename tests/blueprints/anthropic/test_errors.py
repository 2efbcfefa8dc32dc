"""Errors of the Messages API look as Anthropic's clients expect."""

import pytest

PATH = "/v1/messages"
ASKED = {"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "kind"),
    [
        ("GET", PATH, {}, 405, "invalid_request_error"),
        ("POST", PATH, {"data": "{", "content_type": "application/json"}, 400,
         "invalid_request_error"),
        ("POST", PATH, {"data": "x", "content_type": "text/plain"}, 415, "invalid_request_error"),
        ("POST", PATH, {"json": {**ASKED, "max_tokens": 0}}, 400, "invalid_request_error"),
        ("POST", PATH, {"json": {**ASKED, "model": "x/y"}}, 404, "not_found_error"),
        ("POST", f"{PATH}/nothing", {"json": {}}, 404, "not_found_error"),
        ("POST", PATH, {"json": ASKED, "headers": {"Authorization": "Bearer no"}}, 401,
         "authentication_error"),
    ],
)  # fmt: skip
def test_all_of_the_messages_api_answers_so(alice, method, path, options, status, kind):
    """Also what goes wrong before any view is reached."""
    answer = alice.open(method, path, **options)

    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert set(answer.json) == {"type", "error", "request_id"}
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == kind
    assert answer.json["error"]["message"]
    assert answer.headers["request-id"] == answer.json["request_id"]
    assert answer.headers["X-Larder-Error-Code"]


def test_a_wrong_field_is_named_in_the_message(alice):
    """The shape has no place of its own for it."""
    answer = alice.post(PATH, json={**ASKED, "max_tokens": "many"})

    assert answer.json["error"]["message"].startswith("max_tokens: ")


def test_openais_end_points_keep_openais_errors(alice):
    """They are neighbours, not one."""
    assert "type" not in alice.post("/v1/chat/completions", json={}).json
