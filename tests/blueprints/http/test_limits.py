"""Where a key stands with its limits, in the headers that official clients read."""

from datetime import UTC, datetime

import pytest
from flask import Response

from blueprints.http.limits import LIMIT_HEADERS, show_standing, write_standings
from services.standing import KINDS, Standing
from tests.factories.users import make_user

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _headers(app, *standings):
    response = Response()
    with app.test_request_context():
        for each in standings:
            show_standing(each)
        write_standings(response)
    return response.headers


def test_the_headers_are_openais_and_anthropics(app):
    """Either client finds its own."""
    headers = _headers(app, Standing("tokens", 100, 40, 36.0, AT))

    assert headers["x-ratelimit-limit-tokens"] == "100"
    assert headers["x-ratelimit-remaining-tokens"] == "40"
    assert headers["x-ratelimit-reset-tokens"] == "36s"
    assert headers["anthropic-ratelimit-tokens-limit"] == "100"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "40"
    assert headers["anthropic-ratelimit-tokens-reset"] == "2026-01-01T12:00:00Z"


def test_an_instant_in_whole_seconds_is_not_too_early(app):
    """Who comes when it says would find less than was promised."""
    at = AT.replace(microsecond=1)
    headers = _headers(app, Standing("tokens", 100, 40, 36.0, at))

    assert headers["anthropic-ratelimit-tokens-reset"] == "2026-01-01T12:00:01Z"


def test_the_names_of_the_headers_are_those_written(app):
    """Browsers are let see them by name."""
    headers = _headers(app, *(Standing(kind, 100, 40, 36.0, AT) for kind in KINDS))

    assert {name for name, _ in headers if "ratelimit" in name} == set(LIMIT_HEADERS)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0ms"),
        (0.0001, "1ms"),
        (0.02, "20ms"),
        (0.9996, "1s"),
        (1.5, "1.5s"),
        (12.345, "12.345s"),
        (59.9996, "1m0s"),
        (60, "1m0s"),
        (390.25, "6m30.25s"),
    ],
)
def test_a_span_is_written_as_openai_does(app, seconds, written):
    """Clients parse it."""
    headers = _headers(app, Standing("requests", 1, 0, seconds, AT))

    assert headers["x-ratelimit-reset-requests"] == written


def test_a_key_without_limits_has_no_such_headers(alice):
    """There is nothing to tell."""
    assert not [name for name, _ in alice.get("/api/me").headers if "ratelimit" in name.lower()]


@pytest.mark.parametrize("path", ["/api/me", "/v1/models"])
def test_every_answer_says_where_the_key_stands_a_refusal_too(app, path):
    """A client slows down before it is refused."""
    client = make_user(app, "Robot", requests_per_minute=2)
    answers = [client.get(path) for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    left = [each.headers["x-ratelimit-remaining-requests"] for each in answers]
    assert left == ["1", "0", "0"]
    assert answers[2].headers["x-ratelimit-reset-requests"] == "1m0s"
