"""What every command has in common: a database that is not ready is told in a sentence."""

from typing import Any

import click

from services.errors import Unavailable
from services.startup import needed_database

__all__ = ["Command"]


class Command(click.Command):
    """A command that needs the database."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it.

        Raises:
            click.ClickException: the database is away, or not up to date.
        """
        try:
            with needed_database():
                return super().invoke(ctx)
        except Unavailable as fault:
            raise click.ClickException(fault.detail) from fault
