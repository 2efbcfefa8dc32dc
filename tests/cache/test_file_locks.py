"""Locks in files: one holder a name, freed by its death, and a place to leave what was loaded."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache.file_locks import LEFT_S, MAX_LEFT_BYTES, FileLocks

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, pathlib, time
from cache.file_locks import FileLocks
held = FileLocks(pathlib.Path(sys.argv[1])).try_hold("name")
held.leave(b"cut off")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    """Where they are; not made yet."""
    return tmp_path / "instance" / "locks"


@pytest.fixture
def locks(folder):
    """The locks of one worker."""
    return FileLocks(folder)


def test_a_name_has_one_holder(locks, folder):
    """Within a process as well as among several; another name is another lock."""
    held = locks.try_hold("name")

    assert FileLocks(folder).try_hold("name") is None
    assert locks.try_hold("other") is not None
    held.release()
    assert FileLocks(folder).try_hold("name") is not None


@pytest.mark.server
def test_a_lock_ends_with_its_holder(locks, folder):
    """A worker that is killed gives nothing back by itself: the kernel does."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        during = locks.try_hold("name")
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    after = locks.try_hold("name")

    assert during is None
    assert after is not None
    assert after.left() == b"cut off"


def test_what_is_left_is_found_by_the_next_holder(locks):
    """So that it need not load again."""
    first = locks.try_hold("name")
    before = first.left()
    first.leave(b"a long entry")
    first.leave(b"entry")
    first.release()

    assert before is None
    assert locks.try_hold("name").left() == b"entry"


def test_what_is_large_is_not_handed_over(locks):
    """The files stay small; the next holder loads."""
    held = locks.try_hold("name")
    held.leave(b"before")
    held.leave(b"x" * (MAX_LEFT_BYTES + 1))
    held.release()

    assert locks.try_hold("name").left() is None


def test_what_was_left_long_ago_is_taken_away(locks, folder):
    """It was for those who waited then."""
    held = locks.try_hold("name")
    held.leave(b"entry")
    held.release()
    (file,) = folder.iterdir()
    long_ago = time.time() - LEFT_S - 1
    os.utime(file, (long_ago, long_ago))

    assert locks.try_hold("name").left() is None
    assert file.stat().st_size == 0


def test_the_end_takes_away_what_was_left(locks, folder):
    """Answers do not stay on the disk; a file that is held is left to its holder."""
    for name in ("one", "two"):
        held = locks.try_hold(name)
        held.leave(name.encode())
        held.release()
    locks.try_hold("two")

    locks.close()

    assert sorted(file.read_bytes() for file in folder.iterdir()) == [b"", b"two"]


def test_an_end_without_a_beginning_is_nothing(locks, folder):
    """A worker that never loaded anything ends too."""
    locks.close()

    assert not folder.exists()


def test_the_files_are_this_users_alone(locks, folder):
    """They hold what readers were told."""
    locks.try_hold("name")
    (file,) = folder.iterdir()

    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    """Which the leases take for a lock that nobody has."""
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="Not a directory"):
        FileLocks(tmp_path / "file" / "locks").try_hold("name")


def test_a_link_is_not_followed(locks, folder, tmp_path):
    """Whoever could write there would have any file of this user cut."""
    locks.try_hold("name").release()
    (file,) = folder.iterdir()
    file.unlink()
    (tmp_path / "other").write_text("precious")
    file.symlink_to(tmp_path / "other")

    with pytest.raises(OSError, match="symbolic links"):
        locks.try_hold("name")
