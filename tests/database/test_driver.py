"""What runs on the driver's cursor fails as it would through SQLAlchemy."""

from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from database import driver
from database.session import db, write_transaction

INSERT = "INSERT INTO cache_generations(scope, generation, bumped_us) VALUES ({0}, {0}, {0})"
END_ALL_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()"""


def _values(scope: str) -> tuple[str, tuple[str, int, int]]:
    mark = "?" if db.engine.dialect.name == "sqlite" else "%s"
    return INSERT.format(mark), (scope, 1, 1)


def _scopes() -> list[str]:
    with db.engine.connect() as connection:
        found = connection.execute(text("SELECT scope FROM cache_generations ORDER BY scope"))
        return list(found.scalars())


def test_rows_that_were_touched_are_counted(either):
    """Whether a row was new is known by it."""
    with write_transaction() as (connection, transaction):
        sql, row = _values("a")
        assert driver.execute(connection, sql, row) == 1
        again = f"{sql} ON CONFLICT (scope) DO NOTHING"
        assert driver.execute(connection, again, row) == 0
        driver.execute_many(connection, sql, [("b", 1, 1), ("c", 1, 1)])
        transaction.commit()

    assert _scopes() == ["a", "b", "c"]


def test_what_is_not_committed_is_rolled_back(either):
    """It is SQLAlchemy's transaction that it belongs to."""
    with write_transaction() as (connection, _):
        driver.execute(connection, *_values("a"))

    assert _scopes() == []


@pytest.mark.parametrize("run", ["execute", "execute_many"])
def test_a_broken_rule_is_sqlalchemys_error(either, run):
    """Services catch that one; what was written is not said."""
    sql, row = _values("secret-scope")
    given = row if run == "execute" else [row]
    with write_transaction() as (connection, _):
        driver.execute(connection, sql, row)

        with pytest.raises(IntegrityError) as caught:
            getattr(driver, run)(connection, sql, given)

    assert not caught.value.connection_invalidated
    assert "parameters" not in str(caught.value)


def test_nonsense_is_sqlalchemys_error_as_well(either):
    """Whatever the driver calls it."""
    with write_transaction() as (connection, _), pytest.raises(DBAPIError):
        driver.execute(connection, "NOT SQL", ())


@pytest.mark.server
def test_a_server_that_went_away_is_met_once(postgres_server):
    """All connections to it are left, not each for a failure of its own."""
    url = postgres_server.make_database()
    engine = create_engine(url, pool_size=4)
    with ExitStack() as opened:
        for each in [opened.enter_context(engine.connect()) for _ in range(4)]:
            driver.execute(each, "SELECT 1", ())

    with engine.connect() as connection:
        driver.execute(connection, "SELECT 1", ())
        _end_all_of(url)
        with pytest.raises(OperationalError) as caught:
            driver.execute(connection, "SELECT 1", ())

    assert caught.value.connection_invalidated
    for _ in range(4):
        with engine.connect() as connection:
            assert driver.execute(connection, "SELECT 1", ()) == 1
    engine.dispose()
    postgres_server.drop_database(url)


def _end_all_of(url: str) -> None:
    other = create_engine(url, poolclass=NullPool)
    with other.connect() as connection:
        connection.execute(text(END_ALL_OTHERS))
