"""No way of writing forgets the cache: plain SQL raises the scopes that readers depend on."""

import re

import pytest
from sqlalchemy import Column, ForeignKey, Index, MetaData, String, Table, UniqueConstraint

from database.triggers.declared import declared
from database.triggers.scopes import owned
from tests.database.triggers.conftest import AT, FOLDER

RECORD = (
    "INSERT INTO ledger_records(id, call_id, user_id, key_id, workspace_id, provider_id, model_id,"
    " endpoint, status, input_tokens, output_tokens, cached_tokens, cache_write_tokens,"
    " reasoning_tokens, input_audio_tokens, output_audio_tokens, is_estimated, is_streamed,"
    " duration_ms, called_at, booked_at) VALUES"
    f" ('{{0}}', '{{0}}', 'alice', 'key', {{1}}, 'p', 'm', 'chat', 'ok', 0, 0, 0, 0, 0, 0, 0,"
    f" false, false, 1, {AT}, {AT})"
)
CASES = {
    "insert": ([FOLDER.format("new", "bob", "NULL")], {"conversations:bob"}),
    "update": (["UPDATE folders SET name = 'x' WHERE id = 'rome'"], {"conversations:alice"}),
    "delete": (["DELETE FROM folders WHERE id = 'rome'"], {"conversations:alice"}),
    "nothing": (["UPDATE folders SET name = 'x' WHERE id = 'nowhere'"], set()),
    "move": (
        ["UPDATE folders SET user_id = 'bob' WHERE id = 'rome'"],
        {"conversations:alice", "conversations:bob"},
    ),
    "bulk": (
        [
            (
                "INSERT INTO folders(id, user_id, name, created_at, updated_at)"
                f" SELECT 'b' || id, id, 'n', {AT}, {AT} FROM users"
            )
        ],
        {"conversations:alice", "conversations:bob"},
    ),
    "upsert": (
        [
            FOLDER.format("rome", "bob", "NULL")
            + " ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id"
        ],
        {"conversations:alice", "conversations:bob"},
    ),
    "cascade": (
        ["DELETE FROM users WHERE id = 'alice'"],
        {
            "users:alice",
            "users:everyone",
            "conversations:alice",
            "permissions:HASH",
            "permissions:alice",
            "workspaces:alice",
            "workspaces:team",
        },
    ),
    "role": (
        ["UPDATE users SET role = 'viewer' WHERE id = 'alice'"],
        {"users:alice", "users:everyone", "permissions:HASH", "workspaces:team"},
    ),
    "workspace": (
        ["UPDATE workspaces SET name = 'x'"],
        {"workspaces:team", "workspaces:everyone", "workspaces:alice", "users:alice"},
    ),
    "key": (
        ["UPDATE api_keys SET secret_hash = 'OTHER'"],
        {"permissions:HASH", "permissions:OTHER", "permissions:alice", "users:alice"},
    ),
    "provider": (
        [f"INSERT INTO providers VALUES ('p','n','f','u',NULL,'s','o',NULL,NULL,{AT},{AT},NULL)"],
        {"providers:all", "models:all"},
    ),
    "price": (
        [f"INSERT INTO prices VALUES ('p', 'm', 's', {AT}, '{{}}', {AT})"],
        {"providers:all"},
    ),
    "uncached": (
        [
            (
                "INSERT INTO idempotency_records(key_id, idempotency_key, request_hash, created_at)"
                f" VALUES ('k', 'i', 'h', {AT})"
            )
        ],
        set(),
    ),
    "savepoint": (
        [
            "SAVEPOINT before",
            FOLDER.format("new", "bob", "NULL"),
            "ROLLBACK TO before",
            FOLDER.format("new", "alice", "NULL"),
        ],
        {"conversations:alice"},
    ),
    "nested": (
        [
            "SAVEPOINT outer_one",
            FOLDER.format("new", "alice", "NULL"),
            "SAVEPOINT inner_one",
            FOLDER.format("newer", "bob", "NULL"),
            "ROLLBACK TO inner_one",
            "RELEASE outer_one",
        ],
        {"conversations:alice"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_write_by_hand_raises_what_its_readers_depend_on(written, case):
    """And nothing else: what did not change stays cached."""
    statements, scopes = CASES[case]

    assert written.by(*statements) == scopes


@pytest.mark.parametrize(
    ("workspace", "scopes"), [("NULL", set()), ("''", set()), ("'team'", {"analytics:team"})]
)
def test_of_a_striped_scope_one_row_is_raised(written, workspace, scopes):
    """An absent owner has no scope; the views over everyone have one of several rows."""
    raised = written.by(RECORD.format(f"r{workspace.strip(chr(39))}", workspace))

    striped = {each for each in raised if "#" in each}
    assert raised - striped == {"analytics:alice"} | scopes
    assert re.fullmatch(r"analytics:everyone#(\d|1[0-5])", " ".join(striped))


def test_what_is_rolled_back_raises_nothing(written):
    """The rows and their generation go together or not at all."""
    with written.raised() as raised, written.engine.connect() as connection:
        written.run(connection, FOLDER.format("new", "bob", "NULL"))
        connection.rollback()

    assert raised == set()


def test_a_generation_never_comes_back(written):
    """It is larger than before, larger than the clock, and two writes at one moment differ."""
    seen = []
    for number in range(5):
        written.by(f"UPDATE folders SET name = 'n{number}' WHERE id = 'rome'")
        seen.append(written.generations()["conversations:alice"])
    written.by("UPDATE cache_generations SET generation = generation + 3600000000")
    ahead = written.generations()["conversations:alice"]
    written.by("UPDATE folders SET name = 'x' WHERE id = 'rome'")

    assert seen == sorted(set(seen))
    assert seen[0] > 1_700_000_000_000_000
    assert written.generations()["conversations:alice"] == ahead + 1


def test_all_that_a_row_can_be_replaced_by_is_known():
    """The primary key, constraints and unique indexes; an index for searching is none."""
    table = Table(
        "t",
        MetaData(),
        Column("id", String, primary_key=True),
        Column("owner", ForeignKey("users.id")),
        Column("name", String),
        UniqueConstraint("owner", "name"),
        Index("ix_name", "name", unique=True),
        Index("ix_owner", "owner"),
    )

    found = declared(table, (owned("files", "owner"),))

    assert found.keys == (("id",), ("name",), ("owner", "name"))
