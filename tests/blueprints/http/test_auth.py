"""Keys at the door, and what a route demands of whoever comes in."""

from typing import Any

import pytest
from flask import Flask

from blueprints.http.auth import PUBLIC, bearer_key, public, require
from services.errors import Unauthenticated
from tests.doubles.api_client import ApiClient
from tests.factories.users import make_user


@pytest.fixture
def bare() -> Flask:
    """Enough of an application for a request."""
    return Flask(__name__)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer lk-1"},
        {"Authorization": "bearer lk-1"},
        {"Authorization": "Bearer   lk-1 "},
        {"X-Api-Key": "lk-1"},
        {"X-Api-Key": " lk-1 "},
        {"X-Api-Key": "lk-1", "Authorization": "Basic dTpw"},
        {"X-Api-Key": "lk-1", "Authorization": "Bearer "},
        {"X-Api-Key": "lk-2", "Authorization": "Bearer lk-1"},
    ],
)
def test_a_key_is_found_where_clients_put_it(bare, headers):
    """OpenAI's clients and Anthropic's differ."""
    with bare.test_request_context(headers=headers):
        assert bearer_key() == "lk-1"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unauthenticated"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
        ({"Authorization": "Basic dTpw"}, "unauthenticated"),
        ({"Authorization": "lk-1"}, "unauthenticated"),
        ({"X-Api-Key": "  "}, "unauthenticated"),
        ({"Authorization": "Bearer " + "k" * 201}, "invalid_api_key"),
        ({"Authorization": "Bearer schlüssel"}, "invalid_api_key"),
    ],
)
def test_what_cannot_be_a_key_is_refused_before_anything_is_looked_up(bare, headers, code):
    """Nobody makes the database or the cache busy with nonsense."""
    with bare.test_request_context(headers=headers), pytest.raises(Unauthenticated) as refused:
        bearer_key()

    assert refused.value.code == code


def test_a_key_nobody_has_is_refused(app):
    """And the answer says how to come in (RFC 9110, 11.6.1)."""
    answer = ApiClient(app, "lk-of-nobody").get("/api/me")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_view_gets_the_caller_first(app, alice):
    """No view looks for the request's user itself; a test reads what it demands."""
    view: Any = require("models:read")(lambda principal, model_id: (principal, model_id))

    with app.test_request_context(headers={"X-Api-Key": alice.key}):
        principal, model_id = view("m1")

    assert (principal.user_id, model_id) == (alice.user_id, "m1")
    assert vars(view)["permission"] == "models:read"


def test_a_caller_without_the_permission_is_refused_by_its_name(app):
    """The sentence says which one an admin would have to give."""
    answer = make_user(app, "Vera", role="viewer").post("/api/folders", json={"name": "x"})

    assert answer.status_code == 403
    assert "conversations:write" in answer.json["detail"]


def test_refused_requests_count_for_the_limit(app):
    """Whoever may not do it cannot try it without end."""
    client = make_user(app, "Rob", role="viewer", requests_per_minute=2)

    statuses = [client.post("/api/folders", json={}).status_code for _ in range(3)]

    assert statuses == [403, 403, 429]


def test_a_public_view_says_so():
    """The walk over all routes finds who forgot to say anything."""
    assert vars(public(lambda: ""))["permission"] == PUBLIC
