"""Counts of a machine's workers: exact whenever one is killed, in as many files as are needed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from telemetry import counting

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 4
KINDS = 3
"""A slot's files: of counters, of histograms, of live gauges."""

WORKER = """
import sys
from telemetry.counting import CollectorRegistry, Counter, Gauge, Histogram
own = {"registry": CollectorRegistry()}
counter, times = Counter("calls", "Calls.", **own), Histogram("took", "Seconds.", **own)
gauge = Gauge("open", "Open circuits.", multiprocess_mode="livesum", **own)
for _ in range(100):
    counter.inc()
    times.observe(0.1)
gauge.set(1)
print("counted", flush=True)
sys.stdin.read()
"""
READER = """
import sys, msgspec
from telemetry.counting import shared_folder, shared_registry
found = {each.name: each.value for family in shared_registry(shared_folder()).collect()
         for each in family.samples}
sys.stdout.buffer.write(msgspec.json.encode(found))
"""
KILLER = """
# Forks workers that count until they are killed, some before they have begun; says what they told.
import os, random, signal, sys, time
from telemetry.counting import CollectorRegistry, Counter
at_once, rounds = map(int, sys.argv[1:])
counter = Counter("calls", "Calls.", registry=CollectorRegistry())

def begin():
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        while True:
            counter.inc()
            os.write(tell, b".")
    os.close(tell)
    return pid, told

def read(told):
    with os.fdopen(told, "rb") as said:
        return len(said.read())

total = 0
for _ in range(rounds):
    begun = [begin() for _ in range(at_once)]
    time.sleep(random.uniform(0, 0.01))
    for pid, _ in begun:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    total += sum(read(told) for _, told in begun)
print(total)
"""
PARENT = """
# Its child counts beside it, if it is told to, and outlives it.
import os, sys
from telemetry.counting import CollectorRegistry, Counter
counter = Counter("calls", "Calls.", registry=CollectorRegistry())
counter.inc()
if not os.fork():
    if sys.argv[1:]:
        counter.inc()
    print("counted", flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""
ORPHAN = """
# Its child counts only after it: from the sums it had at the fork, were it to take the same slot.
import os, sys
from telemetry.counting import CollectorRegistry, Counter
counter = Counter("calls", "Calls.", registry=CollectorRegistry())
counter.inc()
if os.fork():
    counter.inc(10)
    print("counted", flush=True)
    os.wait()
sys.stdin.readline()
counter.inc()
"""


def _begin(program: str, folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    environ = {"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )


def _run(program: str, folder: Path, *arguments: str) -> bytes:
    with _begin(program, folder, *arguments) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said


def _totals(folder: Path) -> dict[str, float]:
    found: dict[str, float] = msgspec.json.decode(_run(READER, folder))
    return found


def _files(folder: Path) -> int:
    return len(list(folder.glob("*.db")))


def _counted(process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    """The same, once it has counted."""
    assert process.stdout is not None
    assert process.stdout.readline() == b"counted\n"
    return process


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with process:
        process.kill()


@pytest.fixture
def living(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that has counted to a hundred."""
    process = _counted(_begin(WORKER, tmp_path))
    yield process
    _kill(process)


def test_a_worker_counts_on_where_an_ended_one_left_off(tmp_path):
    """However many come and go, there are the files of one."""
    for _ in range(4):
        _run(WORKER, tmp_path)

    totals = _totals(tmp_path)

    assert (totals["calls_total"], totals["took_count"]) == (400, 400)
    assert totals["took_sum"] == pytest.approx(40)
    assert _files(tmp_path) == KINDS - 1  # the reader found nobody to whom a live gauge belongs


def test_workers_that_are_killed_lose_no_count(tmp_path):
    """Those at once have files of their own; the next ones take them over."""
    for _ in range(3):
        begun = [_begin(WORKER, tmp_path) for _ in range(AT_ONCE)]
        for process in begun:
            _counted(process)
        for process in begun:
            _kill(process)

    assert _files(tmp_path) == KINDS * AT_ONCE
    assert _totals(tmp_path)["calls_total"] == 3 * AT_ONCE * 100


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_and_doubles_nothing(tmp_path):
    """Of each worker one count may stand that it had no time to tell of."""
    rounds = 60
    told = int(_run(KILLER, tmp_path, str(AT_ONCE), str(rounds)))

    counted = _totals(tmp_path)["calls_total"]

    assert told > rounds
    assert told <= counted <= told + AT_ONCE * rounds
    assert _files(tmp_path) <= 1 + AT_ONCE  # with that of their parent


def test_a_file_whose_maker_was_killed_before_it_wrote_is_passed_over(tmp_path):
    """The library makes it empty first; the next holder of the slot fills it."""
    (tmp_path / "counter_slot-0.db").touch()

    before = _totals(tmp_path)
    _run(WORKER, tmp_path)

    assert before == {}
    assert _totals(tmp_path)["calls_total"] == 100


def test_files_that_are_no_slots_are_not_read(tmp_path, living):
    """A process' own, of an older version: what it said of itself would stand there for ever."""
    for path in list(tmp_path.glob("*.db")):
        shutil.copy(path, tmp_path / path.name.replace("slot-0", "4711"))

    totals = _totals(tmp_path)

    assert (totals["calls_total"], totals["open"]) == (100, 1)


def test_a_live_gauge_ends_with_its_worker(tmp_path, living):
    """Whoever reads next finds that it has died; the living one's stands."""
    killed = _counted(_begin(WORKER, tmp_path))
    both = _totals(tmp_path)["open"]

    _kill(killed)

    assert (both, _totals(tmp_path)["open"]) == (2, 1)


def test_a_slot_that_is_taken_over_tells_nothing_of_its_last_holder(tmp_path):
    """It counts on, but what is open or closed is the new one's to say."""
    _run(WORKER, tmp_path)
    anew = WORKER.replace("gauge.set(1)", "")

    process = _counted(_begin(anew, tmp_path))
    totals = _totals(tmp_path)
    _kill(process)

    assert (totals["calls_total"], totals["open"]) == (200, 0)


@pytest.mark.parametrize("counts", [True, False])
def test_a_fork_has_a_slot_of_its_own(tmp_path, counts):
    """If it counts. Its parent's is free when that has died, though the fork lives on."""
    parent = _counted(_begin(PARENT, tmp_path, *(["counts"] if counts else [])))
    parent.kill()
    parent.wait()

    _run(WORKER, tmp_path)

    counters = sorted(path.name for path in tmp_path.glob("counter_*"))
    assert counters == ["counter_slot-0.db", "counter_slot-1.db"][: 1 + counts]
    assert _totals(tmp_path)["calls_total"] == 101 + counts
    parent.communicate()  # ends the child


def test_a_fork_that_outlives_its_parent_takes_nothing_back(tmp_path):
    """The library would go on with the sums from before the fork."""
    parent = _counted(_begin(ORPHAN, tmp_path))
    parent.kill()
    parent.wait()

    parent.communicate(b"count\n", timeout=60)  # until the child has ended

    assert _totals(tmp_path)["calls_total"] == 12


def test_without_a_folder_a_process_counts_for_itself():
    """As a test does, or a command."""
    registry = counting.CollectorRegistry()
    counting.Counter("calls", "Calls.", registry=registry).inc()

    assert counting.shared_folder() is None
    assert registry.get_sample_value("calls_total") == 1


def test_a_folder_that_cannot_be_locked_is_said_so(tmp_path):
    """Nobody counts into the files of another instead."""
    (tmp_path / "slot-0.lock").mkdir()

    with _begin(WORKER, tmp_path) as process:
        process.communicate(timeout=60)

    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "slot-0.lock"]
