"""PostgreSQL's own: scopes are raised at the commit, in order, whoever writes and however."""

from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from database.generations import bump
from database.triggers import postgres
from database.triggers.scopes import TableScopes, owned
from tests.database.triggers.conftest import AT, FOLDER
from tests.doubles.together import together

pytestmark = pytest.mark.server

TOUCH = "UPDATE folders SET name = name WHERE user_id = '{0}'"


def test_a_truncated_table_clears_its_namespace(postgres_written):
    """There are no rows left to name owners by."""
    assert postgres_written.by("TRUNCATE files") == {"ns:files"}


def test_rows_that_are_copied_in_are_seen(postgres_written):
    """`COPY` is how dumps come back."""
    row = f"new\tbob\t\\N\tn\t{AT[1:-1]}\t{AT[1:-1]}\n"
    with postgres_written.raised() as raised, postgres_written.engine.begin() as connection:
        cursor = connection.connection.cursor()
        with cursor.copy("COPY folders FROM STDIN") as copy:
            copy.write(row)

    assert raised == {"conversations:bob"}


def test_settings_that_are_reset_lose_nothing(postgres_written):
    """The notes stand there: without them everything is bumped."""
    raised = postgres_written.by(
        FOLDER.format("new", "bob", "NULL"), "RESET ALL", TOUCH.format("alice")
    )

    assert raised == {"*", "conversations:alice"}


def test_triggers_that_are_called_early_come_again(postgres_written):
    """`SET CONSTRAINTS` has them run at once; what is written later is raised later."""
    raised = postgres_written.by(
        FOLDER.format("new", "bob", "NULL"), "SET CONSTRAINTS ALL IMMEDIATE", TOUCH.format("alice")
    )

    assert raised == {"conversations:alice", "conversations:bob"}


def test_a_write_to_very_many_owners_clears_the_namespace(postgres_written):
    """One bump instead of ten thousand, and short notes."""
    everyone = (
        "INSERT INTO folders(id, user_id, name, created_at, updated_at)"
        f" SELECT id, id, 'n', {AT}, {AT} FROM users"
    )
    postgres_written.by(
        "INSERT INTO users SELECT 'user-of-a-long-name-' || n, 'n', NULL, 'member', true,"
        f" {AT}, {AT} FROM generate_series(1, 2000) AS n"
    )

    raised = postgres_written.by(everyone)

    assert "ns:conversations" in raised
    assert len(raised) < 1000


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_every_isolation_level_raises_at_its_commit(postgres_written, isolation):
    """Nothing is seen before, everything with it."""
    scope = "conversations:alice"
    before = postgres_written.generations()[scope]
    engine = postgres_written.engine.execution_options(isolation_level=isolation)
    with engine.connect() as connection:
        postgres_written.run(connection, TOUCH.format("alice"))
        during = postgres_written.generations()[scope]
        connection.commit()

    assert during == before < postgres_written.generations()[scope]


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_older_than_anothers_bump_fails_and_loses_nothing(postgres_written, isolation):
    """The database has the writer repeat it: it could not know which generation comes next."""
    engine = postgres_written.engine.execution_options(isolation_level=isolation)
    with engine.connect() as connection:
        postgres_written.run(connection, "SELECT 1 FROM cache_generations")
        postgres_written.by(TOUCH.format("alice"))
        between = postgres_written.generations()
        postgres_written.run(connection, FOLDER.format("new", "alice", "NULL"))

        with pytest.raises(DBAPIError, match="could not serialize"):
            connection.commit()

    assert postgres_written.generations() == between


def test_writers_of_one_owner_wait_for_nobody_before_their_commit(postgres_written):
    """A long transaction holds no generation's row while it works."""
    with postgres_written.engine.connect() as slow:
        postgres_written.run(slow, FOLDER.format("slow", "alice", "NULL"))
        quick = postgres_written.by(
            "SET LOCAL lock_timeout = '5s'", FOLDER.format("quick", "alice", "NULL")
        )
        with postgres_written.raised() as raised:
            slow.commit()

    assert quick == raised == {"conversations:alice"}


def test_a_unit_of_work_raises_each_scope_once(postgres_written, clock):
    """What it names and what was noted go together; nothing is left for the commit."""
    before = postgres_written.generations()
    with Session(postgres_written.engine) as session:
        session.execute(text(TOUCH.format("alice")))
        bump(session.connection(), {"conversations:alice": 1, "users:bob": 1}, clock)
        session.commit()

    after = postgres_written.generations()
    assert after["conversations:alice"] == before["conversations:alice"] + 1
    assert after["users:bob"] == before["users:bob"] + 1


def test_what_is_written_after_a_bump_is_raised_too(postgres_written, clock):
    """Whoever bumps too early, in a savepoint or before more writes, forgets nothing."""
    with postgres_written.raised() as raised, Session(postgres_written.engine) as session:
        session.execute(text(TOUCH.format("alice")))
        savepoint = session.begin_nested()
        bump(session.connection(), {"conversations:alice": 1}, clock)
        savepoint.rollback()
        session.execute(text(FOLDER.format("new", "bob", "NULL")))
        session.commit()

    assert raised == {"conversations:alice", "conversations:bob"}


def test_one_stripe_is_raised_whoever_names_it(postgres_written, clock):
    """The service names the striped scope, and so does the trigger: one of the two is enough."""
    with postgres_written.raised() as raised, Session(postgres_written.engine) as session:
        session.execute(
            text(
                "INSERT INTO audit_logs(id, action, subject_kind, subject_id, detail, logged_at)"
                f" VALUES (gen_random_uuid()::text, 'a', 'k', 's', '{{}}', {AT})"
            )
        )
        bump(session.connection(), {"audit_logs:everyone": 4}, clock)
        session.commit()

    assert len(raised) == 1


def test_who_may_write_a_table_need_not_own_the_generations(postgres_written):
    """An operator's role with few rights, and with another search path."""
    raised = postgres_written.by(
        "CREATE ROLE clerk",
        "GRANT USAGE ON SCHEMA public TO clerk",
        "GRANT SELECT, UPDATE ON folders, users TO clerk",
        "SET LOCAL ROLE clerk",
        "SET LOCAL search_path = pg_catalog",
        "UPDATE public.folders SET name = 'x'",
        "UPDATE public.users SET name = 'x' WHERE id = 'alice'",
        "RESET ROLE",
        "RESET search_path",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "DROP OWNED BY clerk",
        "DROP ROLE clerk",
    )

    assert {"conversations:alice", "users:alice", "permissions:HASH"} <= raised


def _write(written, orders, clock, number):
    """Twenty transactions that touch both owners, each in one of two orders."""
    for turn in range(20):
        first, second = orders if (turn + number) % 2 else reversed(orders)
        with Session(written.engine) as session:
            for owner in (first, second):
                own = FOLDER.format(f"{number}-{turn}-{owner}", owner, "NULL")
                session.execute(text(own))
            # A unit of work names some, a hand at the shell none; the rest is found by triggers.
            named = [{}, {"conversations:alice": 1}, {"users:bob": 1, "conversations:bob": 1}]
            bump(session.connection(), named[(turn + number) % 3], clock)
            session.commit()
    return 20


def test_racing_writers_never_lock_each_other_out(postgres_written, clock):
    """In opposite orders, by units of work and by hand, all on the same two owners."""
    before = postgres_written.generations()
    done = together(
        [partial(_write, postgres_written, ["alice", "bob"], clock, each) for each in range(8)]
    )

    after = postgres_written.generations()
    assert done == [20] * 8
    assert after["conversations:alice"] >= before["conversations:alice"] + 160


def test_what_is_made_can_be_taken_away_and_made_again(postgres_written):
    """As a migration does."""
    table = TableScopes("folders", (owned("conversations", "user_id"),), (("id",),))
    postgres_written.by(*postgres.dropped(table))
    without = postgres_written.by(TOUCH.format("alice"))
    postgres_written.by(*postgres.created(table))

    assert without == set()
    assert postgres_written.by(TOUCH.format("alice")) == {"conversations:alice"}
