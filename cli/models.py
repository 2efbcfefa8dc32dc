"""`flask models sync`: the providers' own model lists into the catalogue."""

from typing import Any

import click
from flask import Blueprint

from cli.commands import Command
from cli.output import json_option, print_rows, progress_bar
from services import provider_sync, providers
from services.errors import LarderError, NotFound

__all__ = ["commands"]

commands = Blueprint("models_cli", __name__, cli_group="models")
commands.cli.help = "The catalogue of models."
commands.cli.command_class = Command

COLUMNS = ("provider_id", "listed", "added", "returned", "deprecated", "priced", "failure")


@commands.cli.command("sync")
@click.argument("provider", required=False)
@json_option
@click.pass_context
def sync_models(context: click.Context, *, provider: str | None, as_json: bool) -> None:
    """Pull the model list of PROVIDER, or of every active one; exit with 1 where one fails."""
    wanted = [provider] if provider else providers.list_provider_ids()
    with progress_bar(shown=not as_json) as progress:
        rows = [_sync(each) for each in progress.track(wanted, description="Syncing")]
    print_rows(rows, COLUMNS, as_json=as_json)
    if any(row["failure"] for row in rows):
        context.exit(1)


def _sync(provider_id: str) -> dict[str, Any]:
    try:
        return {**provider_sync.sync_provider(None, provider_id), "failure": None}
    except NotFound as fault:
        raise click.UsageError(fault.detail) from fault
    except LarderError as fault:  # the others are synced all the same
        return {"provider_id": provider_id, "failure": fault.detail}
