"""`flask cache-warm` and `flask cache …`: warming, figures, health, clearing."""

from typing import Any

import click
from flask import Blueprint

from cli.output import print_json, print_rows, progress_bar
from schemas.cache_admin import HealthSchema, StatsSchema
from services import cache_admin, cache_statistics, warming
from services.errors import Invalid, LarderError

__all__ = ["commands", "warm_commands"]

warm_commands = Blueprint("cache_warm", __name__, cli_group=None)
commands = Blueprint("cache_commands", __name__, cli_group="cache")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@warm_commands.cli.command("cache-warm")
@click.option("--strategy", "names", multiple=True, help="A strategy to run; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Run all strategies (the default).")
@as_json
def cache_warm(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Fill the cache with what will be asked for."""
    last: dict[str, dict[str, Any]] = {}
    wanted = None if everything or not names else list(names)
    with progress_bar(shown=not as_json) as progress:
        tasks: dict[str, Any] = {}
        try:
            for step in warming.run(wanted):
                if step.strategy not in tasks:
                    tasks[step.strategy] = progress.add_task(step.strategy, total=step.total)
                progress.update(tasks[step.strategy], completed=step.done)
                last[step.strategy] = {
                    "strategy": step.strategy,
                    "reads": step.done,
                    "failed": step.failed,
                }
        except Invalid as fault:
            raise click.UsageError(" ".join(fault.errors["strategies"])) from fault
    print_rows(list(last.values()), ("strategy", "reads", "failed"), as_json=as_json)


@commands.cli.command("stats")
@as_json
def stats(as_json: bool) -> None:
    """Show what the cache did, by namespace."""
    shown: Any = StatsSchema().dump(cache_statistics.read_statistics())
    if as_json:
        print_json(shown)
        return
    columns = ("namespace", "reads", "hits", "misses", "hit_ratio", "fills", "entries", "bytes")
    print_rows([*shown["namespaces"], {"namespace": "total", **shown["totals"]}], columns)


@commands.cli.command("health")
@as_json
def health(as_json: bool) -> None:
    """Show what the cache stands on; fails while Redis is configured and away."""
    shown: Any = HealthSchema().dump(cache_admin.read_health())
    if as_json:
        print_json(shown)
    else:
        rows = [
            {"what": name, "state": value} for name, value in shown.items() if name != "outages"
        ]
        print_rows(rows, ("what", "state"))
    if shown["configured"] != "memory" and not shown["redis_reachable"]:
        raise click.exceptions.Exit(1)


@commands.cli.command("clear")
@click.argument("namespace")
def clear(namespace: str) -> None:
    """Make every entry of NAMESPACE a miss, on all workers."""
    try:
        cache_admin.clear_namespace(None, namespace)
    except LarderError as fault:
        raise click.ClickException(fault.detail) from fault
    click.echo(f"Cleared {namespace}.")
