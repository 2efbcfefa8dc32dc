"""`flask cache-warm` and `flask cache …` at a terminal."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from cache.extension import cache
from cache.namespaces import NAMESPACES
from database.session import db, read_session
from database.tables.platform import CacheStatistics
from services.startup import prepare
from services.warming_strategies import STRATEGIES

pytestmark = pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)


def _run(app, *words):
    return app.test_cli_runner().invoke(args=list(words), env={"COLUMNS": "200"})


def _json(app, *words):
    return msgspec.json.decode(_run(app, *words, "--json").stdout)


@pytest.fixture
def without_redis(settings, clock) -> Iterator[Flask]:
    """An application that would like a Redis which is not there."""
    away = replace(settings, cache_backend="auto", redis_url="redis://127.0.0.1:1/0")
    app = create_app(away, clock=clock)
    with app.app_context():
        db.create_all()
        prepare()
    yield app
    app.extensions["larder_shutdown"](0.0)


@pytest.mark.parametrize("words", [[], ["--all"], ["--all", "--strategy", "prices"]])
def test_everything_is_warmed_unless_less_is_asked_for(app, words):
    """The command of a deployment script has no words to forget."""
    warmed = _json(app, "cache-warm", *words)

    assert [each["strategy"] for each in warmed] == list(STRATEGIES)


def test_chosen_strategies_are_warmed(app):
    """In the order they are named, each with what it read."""
    warmed = _json(app, "cache-warm", "--strategy", "prices", "--strategy", "catalogue")

    assert [each["strategy"] for each in warmed] == ["prices", "catalogue"]
    assert [each["failed"] for each in warmed] == [0, 0]
    assert warmed[0]["reads"] == 1


def test_what_was_warmed_is_a_hit(app, admin):
    """The first request of the day finds the list of models made."""
    _run(app, "cache-warm", "--strategy", "catalogue")

    assert admin.get("/api/models").headers["Cache-Status"].startswith("larder; hit")


def test_a_strategy_that_does_not_exist_is_named(app):
    """With those that do, and the exit code of wrong usage."""
    result = _run(app, "cache-warm", "--strategy", "everything")

    assert result.exit_code == 2
    assert "everything" in result.stderr
    assert "catalogue" in result.stderr


def test_warming_is_shown_to_people_as_a_table(app):
    """The bar is not part of the result."""
    result = _run(app, "cache-warm")

    assert result.exit_code == 0
    assert all(name in result.stdout for name in STRATEGIES)


def test_figures_are_shown_by_namespace_and_in_total(app, alice):
    """The operator sees at a glance what is served from where."""
    alice.get("/api/folders")
    alice.get("/api/folders")

    table = _run(app, "cache", "stats").stdout
    figures = _json(app, "cache", "stats")

    (row,) = [each for each in figures["namespaces"] if each["namespace"] == "conversations"]
    assert (row["hits"], row["misses"], row["hit_ratio"]) == (1, 1, 0.5)
    assert all(name in table for name in (*NAMESPACES, "total"))


def test_a_cache_in_memory_is_well_when_that_was_asked_for(app):
    """Exit code 0: nothing is missing."""
    result = _run(app, "cache", "health")

    assert result.exit_code == 0
    assert "memory" in result.stdout


def test_a_redis_that_is_away_fails_the_check(without_redis):
    """A monitor looks at the exit code; the output says what serves meanwhile."""
    result = _run(without_redis, "cache", "health", "--json")

    health = msgspec.json.decode(result.stdout)
    assert result.exit_code == 1
    assert (health["configured"], health["backend"]) == ("auto", "memory")


def test_clearing_a_namespace_makes_its_entries_misses(app, alice):
    """On every worker, for the entries depend on a row of the database."""
    alice.get("/api/folders")

    result = _run(app, "cache", "clear", "conversations")

    assert (result.exit_code, result.stdout) == (0, "Cleared conversations.\n")
    assert "fwd=miss" in alice.get("/api/folders").headers["Cache-Status"]


def test_everything_is_cleared_if_one_says_so(app, alice):
    """After a restore; with and without Redis, for it is a row of the database too."""
    alice.get("/api/folders")

    result = _run(app, "cache", "clear", "--all")

    assert (result.exit_code, result.stdout) == (0, "Cleared everything.\n")
    assert "fwd=miss" in alice.get("/api/folders").headers["Cache-Status"]


@pytest.mark.parametrize("words", [[], ["files", "--all"]])
def test_what_to_clear_is_said_once(app, words):
    """A script whose variable is empty clears nothing."""
    result = _run(app, "cache", "clear", *words)

    assert result.exit_code == 2
    assert "Name a namespace, or say --all." in result.stderr


def test_a_clearing_is_told_to_programs(app, alice):
    """With `--json`, as at every other command."""
    alice.get("/api/folders")

    result = _run(app, "cache", "clear", "conversations", "--json")

    assert msgspec.json.decode(result.stdout) == {"namespace": "conversations", "cleared": True}
    assert "fwd=miss" in alice.get("/api/folders").headers["Cache-Status"]


def test_clearing_at_a_terminal_is_logged_without_an_actor(app, admin):
    """Whoever has a shell has no key."""
    _run(app, "cache", "clear", "files")

    logged = admin.get("/api/audit-logs", query_string={"action": "cache.namespace_cleared"})

    (record,) = logged.json["items"]
    assert (record["subject_id"], record["actor_user_id"]) == ("files", None)


def test_a_namespace_that_does_not_exist_is_named(app):
    """A script must not believe that it cleared something."""
    result = _run(app, "cache", "clear", "everything")

    assert result.exit_code == 1
    assert "everything" in result.stderr


def test_figures_are_told_by_window_and_by_resource(app, alice):
    """What an operator asks at a terminal: how well, lately, and which of them does not."""
    alice.get("/api/folders")
    alice.get("/api/folders")

    result = _run(app, "cache", "stats", "--resources")

    assert result.exit_code == 0
    assert all(each in result.stdout for each in ("1m", "1h", "24h", "conversations folders"))


def test_advice_is_printed_below_the_table(app):
    """In the same words as elsewhere."""
    count = cache.engine_of(app).statistics.count
    count("reads", "files", "list", "hit", "memory", by=20)
    count("reads", "files", "list", "miss", "stamp", by=90)

    result = _run(app, "cache", "stats")

    assert "files_list: 90 of 90 misses follow writes" in result.stdout


def test_warnings_are_printed_below_the_table(without_redis):
    """One a line, for people and for grep."""
    result = _run(without_redis, "cache", "health")

    assert "Warning: Redis does not answer" in result.stdout


def test_what_a_command_reads_is_counted_as_well(app):
    """Its process ends, its counts stay."""
    _run(app, "cache-warm", "--strategy", "catalogue")

    with app.app_context(), read_session() as session:
        (row,) = session.scalars(select(CacheStatistics)).all()
    assert row.figures["fills|models|list"] >= 1
