"""Every command without its database: a sentence with the mend, and no traceback."""

from dataclasses import replace

import click
import pytest

from app import create_app
from cli import COMMANDS
from cli.commands import Command
from cli.prepare import prepare
from database.session import db

WORDS = {
    "cache-warm": ["cache-warm"],
    "create-key": ["admin", "create-key", "--user", "ann"],
    "stats": ["cache", "stats"],
    "clear": ["cache", "clear", "--all"],
    "reconcile": ["costs", "reconcile"],
    "pricing": ["costs", "pricing"],
    "sync": ["models", "sync"],
}


@pytest.fixture(params=["empty", "away"])
def runner(request, settings, clock, tmp_path):
    """Runs commands whose database has no tables, or cannot be reached."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    if request.param == "away":
        url = "postgresql+psycopg://ann:hunter2@127.0.0.1:1/larder"
    app = create_app(replace(settings, database_url=url), clock=clock)
    yield app.test_cli_runner()
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_what_the_database_lacks_is_told_in_a_sentence(runner, words):
    """An operator reads what to do, not where in our code it was noticed."""
    result = runner.invoke(args=words)

    assert result.exit_code == 1
    assert "Error: The database is not ready: run «flask db upgrade»" in result.stderr
    assert "It said: " in result.stderr
    assert "hunter2" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_every_command_tells_it():
    """A new one as well; `prepare` has a sentence of its own."""
    found = [each for commands in COMMANDS for each in commands.cli.commands.values()]
    others = [each.name for each in found if not isinstance(each, Command) and each is not prepare]

    assert others == []
    assert all(isinstance(each, click.Command) for each in found)
