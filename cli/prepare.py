"""`flask prepare`: what is done once before serving; gunicorn runs it by itself."""

import click
from flask import Blueprint

from config import SettingsError
from services import startup
from services.errors import LarderError

__all__ = ["commands"]

commands = Blueprint("prepare", __name__, cli_group=None)


@commands.cli.command("prepare")
def prepare() -> None:
    """Make the first admin and bring the declared providers into the catalogue."""
    try:
        started = startup.prepare()
    except (LarderError, SettingsError) as fault:
        raise click.ClickException(str(fault)) from fault
    for line in started.lines:
        click.echo(line)
