"""Advisory locks: one holder in a fleet, freed with its connection, on a few connections."""

import psycopg
import pytest

from cache.leases import Leases
from database.locks import MAX_HELD, PostgresLocks, TooManyLocks

pytestmark = pytest.mark.server

TERMINATE = """\
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@pytest.fixture
def new_machine(postgres_url):
    """Makes the locks of machines that share a database."""
    made: list[PostgresLocks] = []

    def make() -> PostgresLocks:
        made.append(PostgresLocks(postgres_url))
        return made[-1]

    yield make
    for locks in made:
        locks.close()


@pytest.fixture
def observer(postgres_url):
    """Who looks at the server."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def _held(locks: PostgresLocks, name: str):
    held = locks.try_hold(name)
    assert held is not None
    return held


def test_a_name_has_one_holder(new_machine):
    """On any machine; another name is another lock."""
    one, other = new_machine(), new_machine()
    held = _held(one, "load")
    during = other.try_hold("load")
    another = _held(other, "another")

    held.release()
    after = _held(other, "load")

    assert during is None
    assert (held.left(), held.leave(b"entry")) == (None, None)
    for each in (another, after):
        each.release()


def test_a_lock_ends_with_its_holder(new_machine, observer):
    """A machine that dies gives nothing back: the server sees its connection end."""
    one, other = new_machine(), new_machine()
    held = _held(one, "load")
    observer.execute(TERMINATE)

    after = _held(other, "load")
    held.release()

    assert one.try_hold("load") is None
    after.release()


def test_a_worker_holds_a_few(new_machine, observer):
    """The database has connections for other things too; the rest loads without a lock."""
    locks = new_machine()
    held = [_held(locks, str(number)) for number in range(MAX_HELD)]
    with pytest.raises(TooManyLocks):
        locks.try_hold("one more")
    for each in held:
        each.release()

    again = _held(locks, "one more")

    (count,) = observer.execute(COUNT).fetchone()
    assert count == MAX_HELD + 1
    again.release()


def test_a_lock_that_somebody_has_costs_no_place(new_machine):
    """Those who look for a turn again and again do not use up what there is."""
    one, other = new_machine(), new_machine()
    held = _held(one, "load")

    assert [other.try_hold("load") for _ in range(3 * MAX_HELD)] == [None] * (3 * MAX_HELD)
    held.release()


def test_a_database_that_is_away_holds_up_nobody():
    """The load goes on without a lock, time and again."""
    locks = PostgresLocks("postgresql+psycopg://larder@127.0.0.1:1/none")
    leases = Leases(redis=None, locks=[locks], prefix="t", lease_s=1)

    with pytest.raises(psycopg.OperationalError):
        locks.try_hold("load")
    assert [leases.take("load") is None for _ in range(2 * MAX_HELD)] == [False] * (2 * MAX_HELD)
