"""SQLite's write lock: waited for without stopping the process, and not for ever."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from database.write_lock import BEGIN, begin_writing
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 10_000
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sqlite3, sys
import gevent
from database.write_lock import begin_writing

one, two = [sqlite3.connect(sys.argv[1], isolation_level=None) for _ in range(2)]
one.execute("BEGIN IMMEDIATE")
waiting = gevent.spawn(begin_writing, two.cursor(), patience_ms=20_000)
gevent.sleep(0.05)
one.execute("COMMIT")
waiting.get(timeout=10)
print("begun", two.in_transaction)
"""


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[list[sqlite3.Connection]]:
    """Three connections to one file in WAL mode, as Larder's."""
    made = [
        sqlite3.connect(tmp_path / "x.sqlite3", isolation_level=None, check_same_thread=False)
        for _ in range(3)
    ]
    made[0].execute("PRAGMA journal_mode=WAL")
    made[0].execute("CREATE TABLE t (x)")
    yield made
    for each in made:
        each.close()


def _patience_ms(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA busy_timeout").fetchone()
    return int(found)


def test_a_free_lock_is_taken_at_once(connections):
    """And what the connection waits for other locks is as before."""
    one, two, _ = connections

    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)

    assert one.in_transaction
    assert _patience_ms(one) == PATIENCE_MS
    with pytest.raises(sqlite3.OperationalError):
        two.execute("PRAGMA busy_timeout=0").execute("BEGIN IMMEDIATE")


def test_those_who_wait_get_it_one_after_the_other(connections):
    """Once the one before has committed; none is lost, none writes at the same time."""
    one, *others = connections
    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)
    one.execute("INSERT INTO t VALUES (0)")

    def write(connection: sqlite3.Connection) -> None:
        begin_writing(connection.cursor(), patience_ms=PATIENCE_MS)
        connection.execute("INSERT INTO t SELECT max(x) + 1 FROM t")
        connection.execute("COMMIT")

    threads = [threading.Thread(target=write, args=(each,)) for each in others]
    for each in threads:
        each.start()
    one.execute("COMMIT")
    for each in threads:
        each.join(10)

    assert one.execute("SELECT x FROM t ORDER BY x").fetchall() == [(0,), (1,), (2,)]


class _Counted:
    """A cursor that counts how often it asks for the lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()
        self.asked = 0

    def execute(self, sql: str, /) -> object:
        """Run a statement."""
        self.asked += sql == BEGIN
        return self._cursor.execute(sql)


def test_one_of_those_who_wait_asks_for_all(connections):
    """Else a burst of writers would spend its time asking."""
    one, *others = connections
    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)
    cursors = [_Counted(each) for each in others]

    def write(cursor: _Counted) -> None:
        begin_writing(cursor, patience_ms=PATIENCE_MS)
        cursor.execute("COMMIT")

    threads = [threading.Thread(target=write, args=(each,)) for each in cursors]
    for each in threads:
        each.start()
    wait_until(lambda: max(each.asked for each in cursors) > 5)
    asked = sorted(each.asked for each in cursors)
    one.execute("COMMIT")
    for each in threads:
        each.join(10)

    assert asked[0] <= 1


def test_a_lock_that_is_never_free_is_an_error_in_the_end(connections, clock: FakeClock):
    """After the patience, and not before."""
    one, two, _ = connections
    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)
    began_s = clock.monotonic()

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_writing(two.cursor(), patience_ms=PATIENCE_MS, clock=clock)

    assert 10 <= clock.monotonic() - began_s < 11
    assert _patience_ms(two) == PATIENCE_MS
    one.execute("COMMIT")
    begin_writing(two.cursor(), patience_ms=PATIENCE_MS)


@pytest.mark.parametrize(("left_s", "waited_s"), [(2, 2), (0, 0), (-1, 0), (60, 10)])
def test_what_was_waited_before_counts(connections, clock: FakeClock, left_s, waited_s):
    """A deadline ends the wait, and never prolongs it."""
    one, two, _ = connections
    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)
    began_s = clock.monotonic()

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_writing(
            two.cursor(), patience_ms=PATIENCE_MS, deadline_s=began_s + left_s, clock=clock
        )

    assert clock.monotonic() - began_s == pytest.approx(waited_s, abs=0.1)
    assert _patience_ms(two) == PATIENCE_MS


def test_another_fault_is_no_lock(connections):
    """It is told as it is."""
    one, *_ = connections
    begin_writing(one.cursor(), patience_ms=PATIENCE_MS)

    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        begin_writing(one.cursor(), patience_ms=PATIENCE_MS)


def test_other_greenlets_go_on_meanwhile(tmp_path):
    """Among them the one that holds the lock: waiting in C, it would never let go."""
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, str(tmp_path / "x.sqlite3")],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.stdout == "begun True\n", done.stderr
