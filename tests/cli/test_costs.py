"""`flask costs …` at a terminal."""

from decimal import Decimal

import msgspec
from flask import Flask
from sqlalchemy import update

from cache.namespaces import namespace_scope
from database.tables.costs import UsageRollup
from services.unit_of_work import unit_of_work
from tests.factories.costs import MODEL, make_price, make_record


def _spoil(app: Flask) -> None:
    with app.app_context(), unit_of_work() as work:
        work.session.execute(update(UsageRollup).values(cost_usd=Decimal("2.5")))
        work.invalidates(namespace_scope("analytics"))


def test_reconcile_proves_a_rollup_that_adds_up(app):
    """Exit code 0 is what a nightly job looks at."""
    make_price(app)
    make_record(app, "u1")
    result = app.test_cli_runner().invoke(args=["costs", "reconcile"])

    assert result.exit_code == 0
    assert "1 day compared: the rollup is the ledger added up." in result.stdout


def test_reconcile_names_what_differs_and_fails(app):
    """Which figure of which day, and by how much."""
    make_price(app)
    make_record(app, "u1")
    _spoil(app)
    result = app.test_cli_runner().invoke(args=["costs", "reconcile", "--json"])

    told = msgspec.json.decode(result.stdout)
    assert result.exit_code == 1
    assert told["left"] == 1
    (difference,) = told["differences"]
    assert (difference["figure"], difference["ledger"], difference["rollup"]) == (
        "cost_usd",
        "3",
        "2.5",
    )


def test_reconcile_mends_from_the_ledger(app):
    """The ledger is the truth; the second run finds nothing."""
    make_price(app)
    make_record(app, "u1")
    _spoil(app)
    runner = app.test_cli_runner()
    mended = runner.invoke(args=["costs", "reconcile", "--fix"])
    again = runner.invoke(args=["costs", "reconcile"])

    assert (mended.exit_code, again.exit_code) == (0, 0)
    assert "1 day compared: 1 figure differs; mended from the ledger." in mended.stdout


def test_pricing_shows_every_price(app):
    """As a table for people, as JSON for programs."""
    make_price(app, cached_input="0.5")
    runner = app.test_cli_runner()
    table = runner.invoke(args=["costs", "pricing", "--model", MODEL], env={"COLUMNS": "200"})
    whole = msgspec.json.decode(runner.invoke(args=["costs", "pricing", "--json"]).stdout)

    assert MODEL in table.stdout
    assert "0.5" in table.stdout
    assert {each["model_id"] for each in whole} == {MODEL, "demo/echo"}
