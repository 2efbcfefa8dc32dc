"""Whether the database was brought up to date: its revision beside that of the code."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from database.session import read_connection

__all__ = ["revisions"]


def revisions(migrations: Path) -> tuple[set[str], set[str]]:
    """The revision that the database is at, and the newest in the folder `migrations`.

    The first is empty where no migration has made the tables.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    with read_connection() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    return set(found), set(ScriptDirectory(str(migrations)).get_heads())
