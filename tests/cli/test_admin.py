"""`flask admin …` at a terminal."""

import msgspec
import pytest

from tests.doubles.api_client import ApiClient


def _run(app, *words):
    return app.test_cli_runner().invoke(args=["admin", "create-key", *words])


def _made(app, *words):
    return msgspec.json.decode(_run(app, *words, "--json").stdout)


def test_a_key_for_a_new_user_opens_the_door(app):
    """That is how a second person comes in."""
    result = _run(app, "--user", "carol@example.com", "--role", "admin")

    me = ApiClient(app, result.stdout.strip()).get("/api/me").get_json()
    assert result.exit_code == 0
    assert me["user"]["email"] == "carol@example.com"
    assert me["role"] == "admin"


@pytest.mark.parametrize("name", ["Alice", "{id}"])
def test_a_user_who_is_there_gets_one_more_key(app, alice, name):
    """By name or id; nobody is made twice."""
    made = _made(app, "--user", name.format(id=alice.user_id), "--scopes", "models:read, me:*")

    assert made["user"]["id"] == alice.user_id
    assert made["scopes"] == ["models:read", "me:*"]


def test_a_key_runs_out_when_it_was_told_to(app, clock):
    """A key for a visitor."""
    made = _made(app, "--user", "Visitor", "--expires-in-days", "1")
    client = ApiClient(app, made["secret"])

    clock.advance(24 * 3600 - 1)
    before = client.get("/api/me").status_code
    clock.advance(1)

    assert (before, client.get("/api/me").status_code) == (200, 401)


def test_making_a_key_is_in_the_audit_log(app, admin):
    """With nobody as the actor, and without the secret."""
    made = _made(app, "--user", "Carol")

    logged = admin.get("/api/audit-logs", query_string={"subject": made["id"]})

    assert logged.json["items"][0]["actor_user_id"] is None
    assert made["secret"] not in logged.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--user", "Alice", "--role", "owner"], "has the role member"),
        (["--user", "Alice", "--scopes", "models:fly"], "models:fly"),
        (["--user", "Alice", "--scopes", ","], "scopes"),
        (["--user", "no@address@here"], "email"),
        (["--user", ""], "name"),
        (["--user", "Alice", "--role", "emperor"], "emperor"),
        (["--user", "Alice", "--expires-in-days", "0"], "0"),
        ([], "--user"),
    ],
)
def test_a_failure_says_why_and_exits_with_a_code(app, alice, words, told):
    """Scripts look at the code, people at the sentence."""
    result = _run(app, *words)

    assert result.exit_code != 0
    assert told in result.stderr
    assert result.stdout == ""


def test_a_name_of_two_is_nobodys(app, alice, admin):
    """A key must not go to the wrong Alice."""
    admin.post("/api/users", json={"name": "Alice"})

    result = _run(app, "--user", "Alice")

    assert result.exit_code == 1
    assert "Several users" in result.stderr
