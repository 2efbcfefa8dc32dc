"""`flask costs …`: prove the rollup against the ledger, show the prices."""

from typing import Any

import click
from flask import Blueprint

from cli.commands import Command
from cli.output import json_option, print_json, print_rows, progress_bar
from schemas.costs_pricing import PriceQuery
from schemas.fields import money_text
from services.costs import price_overrides, reconcile
from services.costs.reconcile import Difference

__all__ = ["commands"]

commands = Blueprint("costs", __name__, cli_group="costs")
commands.cli.help = "The ledger and its prices."
commands.cli.command_class = Command

PAGE_ROWS = 200
DIFFERENCE_COLUMNS = (
    "day",
    "user_id",
    "key_id",
    "workspace_id",
    "provider_id",
    "model_id",
    "figure",
    "ledger",
    "rollup",
)
PRICE_COLUMNS = (
    "model_id",
    "source",
    "effective_from",
    "input",
    "output",
    "cached_input",
    "cache_write",
    "reasoning",
    "more",
)


@commands.cli.command("reconcile")
@click.option("--fix", is_flag=True, help="Rebuild the days that differ, from the ledger.")
@json_option
@click.pass_context
def reconcile_rollup(context: click.Context, *, fix: bool, as_json: bool) -> None:
    """Prove that the rollup is the ledger added up; exit with 1 where it is not."""
    days = reconcile.list_days()
    found: list[Difference] = []
    left: list[Difference] = []
    with progress_bar(shown=not as_json) as progress:
        for day in progress.track(days, description="Comparing days"):
            differences = reconcile.compare_day(day)
            found += differences
            if differences and fix:
                reconcile.rebuild_day(day)
                differences = reconcile.compare_day(day)
            left += differences
    rows = [_difference_row(each) for each in found]
    if as_json:
        print_json({"days": len(days), "differences": rows, "left": len(left)})
    else:
        _tell(len(days), rows, is_fixed=fix and not left)
    if left:
        context.exit(1)


@commands.cli.command("pricing")
@click.option("--model", help="Only this model, as provider/name.")
@json_option
def show_pricing(*, model: str | None, as_json: bool) -> None:
    """Show all prices: US dollars for a million tokens, each model's newest first."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = price_overrides.list_prices(PriceQuery(model, PAGE_ROWS, cursor)).value
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if as_json:
        print_json(rows)
    else:
        print_rows([_price_row(each) for each in rows], PRICE_COLUMNS)


def _tell(days: int, rows: list[dict[str, str]], *, is_fixed: bool) -> None:
    compared = "1 day compared" if days == 1 else f"{days} days compared"
    if not rows:
        click.echo(f"{compared}: the rollup is the ledger added up.")
        return
    print_rows(rows, DIFFERENCE_COLUMNS)
    mended = "; mended from the ledger" if is_fixed else ""
    differ = "1 figure differs" if len(rows) == 1 else f"{len(rows)} figures differ"
    click.echo(f"{compared}: {differ}{mended}.")


def _difference_row(each: Difference) -> dict[str, str]:
    return {
        "day": each.day.isoformat(),
        **each.place,
        "figure": each.figure,
        "ledger": money_text(each.ledger),
        "rollup": money_text(each.rollup),
    }


def _price_row(price: dict[str, Any]) -> dict[str, Any]:
    rates = price["rates"]
    more = [kind for kind in rates if kind not in PRICE_COLUMNS]
    return {**price, **rates, "more": more or None}
