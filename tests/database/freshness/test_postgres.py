"""Generations on PostgreSQL: a few connections for nothing else, whatever becomes of them."""

import multiprocessing
import os

import psycopg
import pytest

from database.freshness.postgres import MAX_CONNECTIONS, PostgresFreshness, connect
from tests.doubles.tcp_proxy import TcpProxy
from tests.doubles.together import together

pytestmark = pytest.mark.server

TABLE = "CREATE TABLE cache_generations(scope text PRIMARY KEY, generation bigint)"
RAISE = """\
INSERT INTO cache_generations VALUES ('a', 1)
ON CONFLICT(scope) DO UPDATE SET generation = cache_generations.generation + 1"""
TERMINATE = """\
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@pytest.fixture
def dsn(postgres_url):
    """Where it is."""
    return postgres_url.replace("+psycopg", "")


@pytest.fixture
def writer(dsn):
    """Who writes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


@pytest.fixture
def freshness(writer, dsn):
    """What is fresh in it."""
    freshness = PostgresFreshness(lambda: connect(dsn), on_statement=lambda _: None)
    yield freshness
    freshness.close()


@pytest.fixture
def proxy(postgres_server):
    """What stands between the two."""
    proxy = TcpProxy(postgres_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def hasty(writer, dsn, proxy, postgres_server):
    """One that soon gives up, by way of the proxy."""

    def open_one():
        connection = connect(dsn.replace(f":{postgres_server.port}/", f":{proxy.port}/"))
        connection.answer_s = 0.2
        return connection

    freshness = PostgresFreshness(open_one, on_statement=lambda _: None)
    yield freshness
    freshness.close()


def test_a_scope_without_a_row_is_nought(freshness):
    """Nobody has written it."""
    assert freshness.current(["a", "b", "a"]) == {"a": 0, "b": 0}


def test_every_commit_is_seen_and_nothing_before_it(freshness, writer):
    """No transaction stays open that would hold an old snapshot."""
    seen = [freshness.current(["a"])["a"]]
    for _ in range(8):  # more than psycopg needs to prepare the statement
        with writer.transaction():
            writer.execute(RAISE)
            seen.append(freshness.current(["a"])["a"])
        seen.append(freshness.current(["a"])["a"])

    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]


def test_a_connection_is_used_again(freshness, writer):
    """Opening one costs more than ten questions."""
    for _ in range(5):
        freshness.current(["a"])

    assert writer.execute(COUNT).fetchone() == (2,)


def test_connections_that_died_are_replaced(freshness, writer):
    """A restart of the server fails no request that comes after it."""
    freshness.current(["a"])
    writer.execute(TERMINATE)
    writer.execute(RAISE)

    assert freshness.current(["a"]) == {"a": 1}


def test_connections_that_lead_nowhere_are_replaced(hasty, proxy, writer):
    """After a failover nothing is said on them any more; new ones are answered."""
    together([lambda: hasty.current(["a"])] * MAX_CONNECTIONS)
    proxy.lose()
    writer.execute(RAISE)

    answers = together([lambda: hasty.current(["a"])] * (2 * MAX_CONNECTIONS))

    assert answers == [{"a": 1}] * (2 * MAX_CONNECTIONS)


def test_what_a_lost_connection_held_is_free_again(hasty, proxy):
    """Four that were lost, one after another, would else be all there are."""
    for _ in range(MAX_CONNECTIONS + 1):
        hasty.current(["a"])
        proxy.lose()

    assert hasty.current(["a"]) == {"a": 0}


def test_a_connection_asks_whether_its_other_end_lives(dsn):
    """Unless the address says otherwise."""
    with connect(dsn) as plain, connect(dsn, keepalives_idle="60") as told:
        idle = [each.info.get_parameters()["keepalives_idle"] for each in (plain, told)]

    assert idle == ["5", "60"]


def test_a_server_that_is_away_is_an_error():
    """Nothing is known to be fresh then."""
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    freshness = PostgresFreshness(lambda: connect(nowhere), on_statement=lambda _: None)

    with pytest.raises(psycopg.OperationalError):
        freshness.current(["a"])


def test_connections_are_bounded(freshness, writer):
    """However many threads ask at once; all of them are answered."""

    def ask():
        return [freshness.current(["a"]) for _ in range(20)]

    answers = together([ask] * (4 * MAX_CONNECTIONS))

    assert answers == [[{"a": 0}] * 20] * (4 * MAX_CONNECTIONS)
    assert writer.execute(COUNT).fetchone()[0] <= MAX_CONNECTIONS + 1


def test_a_closed_one_opens_again(freshness):
    """The pools of a worker are disposed of before it forks, and it goes on."""
    freshness.current(["a"])
    freshness.close()

    assert freshness.current(["a"]) == {"a": 0}


def _answer(freshness, pipe):
    pipe.send((os.getpid(), dict(freshness.current(["a"]))))


def test_a_fork_asks_for_itself(freshness, writer):
    """Two processes on one connection would read each other's answers."""
    freshness.current(["a"])
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_answer, args=(freshness, there))
    child.start()
    process, found = here.recv()
    child.join(10)
    writer.execute(RAISE)

    assert (process != os.getpid(), found) == (True, {"a": 0})
    assert freshness.current(["a"]) == {"a": 1}
