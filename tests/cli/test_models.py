"""`flask models …` at a terminal."""

import msgspec

from tests.doubles.openai_server import MODELS


def _sync(app, *words):
    return app.test_cli_runner().invoke(args=["models", "sync", *words])


def test_all_active_providers_are_synced(app, admin, provided):
    """One command a night keeps the catalogue as the providers have it."""
    admin.delete("/api/models/up/echo")
    result = _sync(app, "--json")

    rows = {row["provider_id"]: row for row in msgspec.json.decode(result.stdout)}
    assert result.exit_code == 0
    assert rows["up"]["listed"] == len(MODELS)
    assert rows["up"]["added"] == 1
    assert "demo" in rows
    assert admin.get("/api/models/up/echo").status_code == 200


def test_one_provider_is_synced_by_name(app, provided):
    """After a key was changed, say."""
    result = _sync(app, "up")

    assert result.exit_code == 0
    assert "up" in result.stdout
    assert "demo" not in result.stdout


def test_a_provider_that_fails_fails_the_command_and_keeps_no_other_from_it(app, admin, provided):
    """A job that looks at exit codes has to hear of it."""
    admin.patch("/api/providers/up", json={"secret": "wrong"})
    result = _sync(app, "--json")

    rows = {row["provider_id"]: row for row in msgspec.json.decode(result.stdout)}
    assert result.exit_code == 1
    assert rows["up"]["failure"]
    assert rows["demo"]["failure"] is None


def test_an_unknown_provider_is_said_to_be_one(app):
    """A mistyped name must not look like a sync."""
    result = _sync(app, "nobody")

    assert result.exit_code == 2
    assert "nobody" in result.stderr


def test_a_provider_that_is_switched_off_is_left_alone(app, admin, provided):
    """It was switched off for a reason."""
    admin.patch("/api/providers/up", json={"status": "disabled"})
    rows = msgspec.json.decode(_sync(app, "--json").stdout)

    assert [row["provider_id"] for row in rows] == ["demo"]
