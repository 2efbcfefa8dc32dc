"""Generations on SQLite: what is known is used until anybody commits, and not a moment longer."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from database.freshness.sqlite import MAX_KNOWN, VERSION, SqliteFreshness
from tests.doubles.together import together

TABLE = """\
CREATE TABLE cache_generations(scope TEXT PRIMARY KEY, generation INTEGER, bumped_us INTEGER)"""
RAISE = """\
INSERT INTO cache_generations VALUES (?, 1, 0)
ON CONFLICT(scope) DO UPDATE SET generation = generation + 1"""
BY_HAND = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2], ['a']);"
STEPS = 100


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    connection.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug
    return connection


def _make(path: Path, journal: str = "wal") -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute(TABLE)
    return connection


@pytest.fixture
def path(tmp_path):
    """The database's file."""
    return tmp_path / "own.sqlite3"


@pytest.fixture(params=["wal", "delete"])
def writer(request, path):
    """Who writes, with a write-ahead log and then with a rollback journal."""
    connection = _make(path, request.param)
    yield connection
    connection.close()


@pytest.fixture
def told():
    """What the database was asked."""
    return []


@pytest.fixture
def freshness(writer, path, told):
    """What is fresh in it."""
    freshness = SqliteFreshness(str(path), busy_timeout_s=10, on_statement=told.append)
    yield freshness
    freshness.close()


def _raise(connection, scope="a"):
    connection.execute(RAISE, [scope])


def test_a_scope_without_a_row_is_nought(freshness):
    """Nobody has written it."""
    assert freshness.current(["a", "b"]) == {"a": 0, "b": 0}


def test_nothing_is_selected_while_nobody_commits(freshness, told):
    """That is the whole gain: one small question instead of a search."""
    freshness.current(["a", "b"])
    told.clear()

    again = [freshness.current(["b", "a"]) for _ in range(3)]

    assert again == [{"a": 0, "b": 0}] * 3
    assert told == [VERSION] * 3


def test_a_scope_not_asked_before_is_selected(freshness, writer, told):
    """Of the others nothing has to be read again."""
    _raise(writer, "b")
    freshness.current(["a"])
    told.clear()

    assert freshness.current(["a", "b"]) == {"a": 0, "b": 1}
    assert [each.count("?") for each in told] == [0, 1]


def test_every_commit_of_another_connection_is_seen(freshness, writer):
    """As the first read after it, each time."""
    seen = []
    for _ in range(5):
        _raise(writer)
        seen.append(freshness.current(["a"])["a"])

    assert seen == [1, 2, 3, 4, 5]


def test_a_commit_of_another_process_is_seen(freshness, path):
    """An operator's own shell is one, and so is every other worker."""
    freshness.current(["a"])
    command = [sys.executable, "-c", BY_HAND + "c.commit()", str(path), RAISE]

    subprocess.run(command, check=True)

    assert freshness.current(["a"]) == {"a": 1}


def test_a_killed_writer_changes_nothing(freshness, path):
    """What it had not committed is not there, for the cache as for everybody."""
    _raise(_connect(path))
    before = freshness.current(["a"])
    command = [sys.executable, "-c", BY_HAND + "import os; os.kill(os.getpid(), 9)"]

    subprocess.run([*command, str(path), RAISE], check=False)

    assert freshness.current(["a"]) == before == {"a": 1}


def test_what_is_not_committed_is_not_seen(freshness, writer):
    """Nor is what was rolled back."""
    writer.execute("BEGIN IMMEDIATE")
    _raise(writer)
    during = freshness.current(["a"])
    writer.execute("ROLLBACK")

    assert during == freshness.current(["a"]) == {"a": 0}


@pytest.mark.parametrize("mode", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
@pytest.mark.parametrize("writer", ["wal"], indirect=True)
def test_a_checkpoint_hides_nothing(freshness, writer, mode):
    """The log begins anew and is written from its start: a commit must still count as one."""
    _raise(writer)
    seen = [freshness.current(["a"])["a"]]
    for _ in range(3):
        writer.execute(f"PRAGMA wal_checkpoint({mode})")
        seen.append(freshness.current(["a"])["a"])
        _raise(writer)
        seen.append(freshness.current(["a"])["a"])

    assert seen == [1, 1, 2, 2, 3, 3, 4]


def test_a_compacted_database_is_the_same(freshness, writer):
    """`VACUUM` moves every page."""
    _raise(writer)
    before = freshness.current(["a"])
    writer.execute("VACUUM")
    after = freshness.current(["a"])
    _raise(writer)

    assert (before, after, freshness.current(["a"])) == ({"a": 1}, {"a": 1}, {"a": 2})


def test_a_change_of_the_journal_hides_nothing(freshness, writer):
    """An operator may choose another one."""
    freshness.current(["a"])
    freshness.close()  # the change needs the database for itself
    writer.execute("PRAGMA journal_mode=truncate")
    _raise(writer)
    first = freshness.current(["a"])
    freshness.close()
    writer.execute("PRAGMA journal_mode=wal")
    _raise(writer)

    assert (first, freshness.current(["a"])) == ({"a": 1}, {"a": 2})


def test_a_restore_into_the_database_is_seen(freshness, writer, tmp_path):
    """`.restore` of SQLite's shell writes the pages of a backup over the open database."""
    backup = _make(tmp_path / "backup.sqlite3")
    _raise(writer)
    before = freshness.current(["a"])

    backup.backup(writer)

    assert (before, freshness.current(["a"])) == ({"a": 1}, {"a": 0})


def test_a_replaced_file_is_seen(freshness, path, tmp_path):
    """A backup moved to the place of the database: what was known was of another."""
    backup = _make(tmp_path / "backup.sqlite3", "delete")
    _raise(backup)
    _raise(backup)
    backup.close()
    before = freshness.current(["a"])

    Path(f"{path}-wal").unlink(missing_ok=True)
    (tmp_path / "backup.sqlite3").replace(path)

    assert (before, freshness.current(["a"])) == ({"a": 0}, {"a": 2})


def test_a_lost_file_is_an_error_and_not_made_anew(freshness, path):
    """An empty database in its place would pass for one that was never written."""
    freshness.current(["a"])
    path.unlink()

    with pytest.raises(FileNotFoundError):
        freshness.current(["a"])
    assert not path.exists()


def test_a_database_without_the_table_is_an_error(path):
    """And the next question finds the table that was made meanwhile."""
    connection = _connect(path)
    connection.execute("PRAGMA user_version=1")
    freshness = SqliteFreshness(str(path), busy_timeout_s=10, on_statement=lambda _: None)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        freshness.current(["a"])
    connection.execute(TABLE)

    assert freshness.current(["a"]) == {"a": 0}
    freshness.close()


def test_a_closed_one_opens_again(freshness, writer):
    """The pools of a worker are disposed of before it forks, and it goes on."""
    freshness.current(["a"])
    freshness.close()
    _raise(writer)

    assert freshness.current(["a"]) == {"a": 1}


def test_what_is_known_is_bounded(freshness, told):
    """A million users are not remembered for ever."""
    freshness.current([f"u{number}" for number in range(MAX_KNOWN)])
    freshness.current(["one more"])
    told.clear()

    freshness.current(["u1"])

    assert len(told) == 2


def _answer(freshness, pipe):
    pipe.send((os.getpid(), dict(freshness.current(["a"]))))
    pipe.recv()
    pipe.send((os.getpid(), dict(freshness.current(["a"]))))


def test_a_fork_asks_for_itself(freshness, writer):
    """A worker that a master made after it had asked: neither disturbs the other."""
    freshness.current(["a"])
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_answer, args=(freshness, there))
    child.start()
    first = here.recv()
    _raise(writer)
    own = freshness.current(["a"])
    here.send("go on")
    second = here.recv()
    child.join(10)

    assert (first[1], own, second[1]) == ({"a": 0}, {"a": 1}, {"a": 1})
    assert first[0] == second[0] != os.getpid()


def test_no_thread_reads_less_than_was_acknowledged(freshness, path):
    """Eight at once over one connection, while others commit."""
    acknowledged = [0]

    def write():
        connection = _connect(path)
        for _ in range(STEPS):
            _raise(connection)
            acknowledged[0] += 1
        connection.close()

    def read():
        seen = []
        for number in range(STEPS):
            least = acknowledged[0]
            found = freshness.current(["a", f"b{number % 7}"])
            seen.append((least, found["a"]))
        return seen

    results = together([write, *[read] * 8])

    pairs = [pair for seen in results[1:] for pair in seen]
    assert len(pairs) == 8 * STEPS
    assert [pair for pair in pairs if pair[1] < pair[0]] == []
