"""`flask cache-warm` and `flask cache …`: warming, figures, health, clearing."""

from typing import Any

import click
from flask import Blueprint

from cli.commands import Command
from cli.output import json_option, print_json, print_rows, progress_bar
from schemas.cache_admin import HealthSchema, StatsSchema
from services import cache_admin, cache_statistics, warming
from services.errors import Invalid, LarderError

__all__ = ["commands", "warm_commands"]

warm_commands = Blueprint("cache_warm", __name__, cli_group=None)
warm_commands.cli.command_class = Command
commands = Blueprint("cache_commands", __name__, cli_group="cache")
commands.cli.help = "The cache: figures, health, clearing."
commands.cli.command_class = Command
COLUMNS = (
    "namespace", "reads", "hits", "misses", "hit_ratio", "1m", "1h", "24h", "fills", "entries",
    "bytes", "redis_bytes",
)  # fmt: skip
RESOURCE_COLUMNS = (
    "namespace", "reads", "hits", "misses", "hit_ratio", "1m", "1h", "24h", "reloads_unchanged",
    "reloads_changed", "ended_unused", "ended_used",
)  # fmt: skip


@warm_commands.cli.command("cache-warm")
@click.option("--strategy", "names", multiple=True, help="A strategy to run; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Run all strategies (the default).")
@json_option
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
    cache_statistics.publish_statistics()
    print_rows(list(last.values()), ("strategy", "reads", "failed"), as_json=as_json)


@commands.cli.command("stats")
@click.option("--resources", "by_resource", is_flag=True, help="Show each resource as well.")
@json_option
def stats(by_resource: bool, as_json: bool) -> None:
    """Show what the cache did, by namespace."""
    shown: Any = StatsSchema().dump(cache_statistics.read_statistics())
    if as_json:
        print_json(shown)
        return
    rows = [*shown["namespaces"], {"namespace": "total", **shown["totals"]}]
    print_rows([_row(each) for each in rows], COLUMNS)
    if by_resource:
        parts = [
            {**part, "namespace": f"{each['namespace']} {part['resource']}"}
            for each in shown["namespaces"]
            for part in each["resources"]
        ]
        print_rows([_row(each) for each in parts], RESOURCE_COLUMNS)
    for sentence in shown["advice"]:
        click.echo(sentence)


def _row(figures: dict[str, Any]) -> dict[str, Any]:
    """One line of the table: counts, and the ratio in each window."""
    ratios = {name: each["hit_ratio"] for name, each in figures["windows"].items()}
    return {**figures, **ratios}


@commands.cli.command("health")
@json_option
def health(as_json: bool) -> None:
    """Show what the cache stands on; fails while Redis is configured and away."""
    shown: Any = HealthSchema().dump(cache_admin.read_health())
    if as_json:
        print_json(shown)
    else:
        rows = [
            {"what": name, "state": value}
            for name, value in shown.items()
            if name not in {"outages", "warnings"}
        ]
        print_rows(rows, ("what", "state"))
        for outage in shown["outages"]:
            until = outage["ended_at"] or "now"
            click.echo(f"Away from {outage['began_at']} to {until}: {outage['reason']}")
        for warning in shown["warnings"]:
            click.echo(f"Warning: {warning}")
    if shown["configured"] != "memory" and not shown["redis_reachable"]:
        raise click.exceptions.Exit(1)


@commands.cli.command("clear")
@click.argument("namespace", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything, as after a restore.")
@json_option
def clear(namespace: str | None, everything: bool, as_json: bool) -> None:
    """Make every entry of NAMESPACE a miss, on all workers."""
    if everything == (namespace is not None):
        raise click.UsageError("Name a namespace, or say --all.")
    try:
        if namespace is None:
            cache_admin.clear_everything()
        else:
            cache_admin.clear_namespace(None, namespace)
    except LarderError as fault:
        raise click.ClickException(fault.detail) from fault
    if as_json:
        print_json({"namespace": namespace, "cleared": True})
    else:
        click.echo(f"Cleared {namespace or 'everything'}.")
