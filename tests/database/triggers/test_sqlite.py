"""SQLite's own ways of writing: `REPLACE` removes rows without a word."""

import pytest

from database.triggers import sqlite
from database.triggers.scopes import TableScopes, owned
from tests.database.triggers.conftest import AT, FOLDER

BOTH = {"conversations:alice", "conversations:bob"}
ROME_OF_BOB = FOLDER.format("rome", "bob", "NULL")


@pytest.mark.parametrize(
    ("statement", "scopes"),
    [
        (ROME_OF_BOB.replace("INSERT", "INSERT OR REPLACE"), BOTH),
        (ROME_OF_BOB.replace("INSERT", "REPLACE"), BOTH),
        (
            (
                "INSERT OR REPLACE INTO folders(id, user_id, name, created_at, updated_at)"
                f" SELECT 'rome', 'bob', 'n', {AT}, {AT}"
            ),
            BOTH,
        ),
        (ROME_OF_BOB.replace("INSERT", "INSERT OR IGNORE"), {"conversations:alice"}),
        (
            FOLDER.format("new", "bob", "NULL").replace("INSERT", "INSERT OR IGNORE"),
            {"conversations:bob"},
        ),
        (
            FOLDER.format("new", "bob", "NULL").replace("INSERT", "INSERT OR ROLLBACK"),
            {"conversations:bob"},
        ),
    ],
)
def test_what_is_replaced_is_raised_as_well(sqlite_written, statement, scopes):
    """Also where triggers do not recurse, as in SQLite's own shell."""
    assert sqlite_written.by(statement) == scopes


def test_a_row_replaced_for_its_unique_value_is_raised(sqlite_written):
    """Alice's row goes because Carol has her address; her key stands behind it."""
    statement = (
        "INSERT OR REPLACE INTO users VALUES"
        f" ('carol', 'Carol', 'alice@x', 'member', true, {AT}, {AT})"
    )

    raised = sqlite_written.by("PRAGMA defer_foreign_keys=ON", statement)

    assert {"users:alice", "users:carol", "permissions:HASH", "workspaces:team"} <= raised


def test_a_row_displaced_by_an_update_is_raised(sqlite_written):
    """`UPDATE OR REPLACE` removes the row that had the new key."""
    sqlite_written.by(FOLDER.format("own", "bob", "NULL"))

    assert sqlite_written.by("UPDATE OR REPLACE folders SET id = 'own' WHERE id = 'rome'") == BOTH


def test_a_replaced_row_lowers_no_generation(sqlite_written):
    """The outer statement's way of conflicts must not become that of the trigger's."""
    sqlite_written.by("UPDATE cache_generations SET generation = generation + 3600000000")
    before = sqlite_written.generations()["conversations:alice"]

    sqlite_written.by(FOLDER.format("rome", "alice", "NULL").replace("INSERT", "INSERT OR REPLACE"))

    assert sqlite_written.generations()["conversations:alice"] > before


def test_what_is_made_can_be_taken_away_and_made_again(sqlite_written):
    """As a migration does."""
    table = TableScopes("folders", (owned("conversations", "user_id"),), (("id",),))
    sqlite_written.by(*sqlite.dropped(table))
    without = sqlite_written.by("UPDATE folders SET name = 'x'")
    sqlite_written.by(*sqlite.created(table))

    assert without == set()
    assert sqlite_written.by("UPDATE folders SET name = 'y'") == {"conversations:alice"}
