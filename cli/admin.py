"""`flask admin …`: keys for people who have none yet."""

from datetime import timedelta
from typing import Any

import click
from flask import Blueprint
from marshmallow import ValidationError

from cli.commands import Command
from cli.output import json_option, print_json
from schemas.keys import KeyWriteSchema
from schemas.users import ROLES, UserWriteSchema
from services.errors import Invalid, LarderError
from services.key_issuing import issue_key

__all__ = ["commands"]

commands = Blueprint("admin", __name__, cli_group="admin")
commands.cli.help = "API keys for people who have none yet."
commands.cli.command_class = Command

MAX_DAYS = 36_500


@commands.cli.command("create-key")
@click.option("--user", "named", required=True, help="E-mail address, id or name; made if new.")
@click.option("--role", type=click.Choice(ROLES), help="Of a new user: member if left out.")
@click.option("--name", default="Made at the terminal", help="What the key is called.")
@click.option("--scopes", default="*", help="Comma-separated: models:read, models:*, or * for all.")
@click.option("--expires-in-days", type=click.IntRange(1, MAX_DAYS), help="Never, if left out.")
@json_option
def create_key(**options: Any) -> None:
    """Make an API key; its secret is printed once."""
    days = options["expires_in_days"]
    try:
        key = KeyWriteSchema().load({"name": options["name"], "scopes": _words(options["scopes"])})
        made = issue_key(
            UserWriteSchema().load(_user(options["named"], options["role"])),
            key.name,
            has_role=options["role"] is not None,
            scopes=list(key.scopes),
            lifetime=timedelta(days=days) if days else None,
        )
    except ValidationError as fault:
        raise click.UsageError(_sentence(fault.messages)) from fault
    except Invalid as fault:
        raise click.UsageError(_sentence(fault.errors)) from fault
    except LarderError as fault:
        raise click.ClickException(fault.detail) from fault
    if options["as_json"]:
        print_json(made)
        return
    user = made["user"]
    click.echo(f"Key of {user['name']} ({user['role']}), shown this once:", err=True)
    click.echo(made["secret"])


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _user(named: str, role: str | None) -> dict[str, str]:
    user = {"name": named, "role": role or "member"}
    return user | {"email": named} if "@" in named else user


def _sentence(messages: Any) -> str:
    """Every fault of a schema in one line."""
    return " ".join(f"{field}: {fault}" for field, fault in messages.items())
