"""A worker is told from whoever has its number now."""

import os
import socket
import subprocess
import sys

import pytest

from services.worker_processes import name_of_worker, worker_is_gone
from tests.streams.scripts import wait_until

HERE = socket.gethostname()
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="this is no Linux")


def test_this_process_is_there():
    """And so is another, by an older version's name as well, which was its number alone."""
    assert worker_is_gone(name_of_worker()) is False
    assert worker_is_gone(f"{HERE}:{os.getppid()}") is False


@pytest.mark.parametrize("number", ["999999999", "9" * 30])
def test_a_process_that_is_not_there_is_gone(number):
    """Nor is one whose number there cannot be."""
    assert worker_is_gone(f"{HERE}:{number}") is True


@ON_LINUX
def test_another_process_of_its_number_is_not_meant():
    """A container that is started anew gives out the same ones."""
    name, _, began = name_of_worker().rpartition(".")

    assert worker_is_gone(f"{name}.{int(began) - 1}") is True
    assert worker_is_gone(name) is True


@ON_LINUX
def test_a_dead_one_that_its_parent_has_not_taken_note_of_is_gone():
    """Its number is still taken."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        wait_until(lambda: worker_is_gone(f"{HERE}:{child.pid}") is True)
        assert child.returncode is None


def test_without_linux_the_number_has_to_do(tmp_path):
    """It is not known when a process was begun."""
    name = name_of_worker(tmp_path)

    assert name == f"{HERE}:{os.getpid()}"
    assert worker_is_gone(f"{name}.1", tmp_path) is False


@pytest.mark.parametrize("worker", ["elsewhere:1", f"{HERE}:x", "", HERE, f"{HERE}:"])
def test_of_another_machines_nothing_is_known(worker):
    """Nor of a name that is none."""
    assert worker_is_gone(worker) is None
