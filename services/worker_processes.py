"""Which process a worker is, and whether it is still there: its own machine can be asked."""

import os
import socket
from pathlib import Path

__all__ = ["name_of_worker", "worker_is_gone"]

PROC = Path("/proc")
STATE, START = 0, 19
"""proc(5): the third field of `stat`, and the 22nd, in ticks since the machine was started."""
DEAD = {"Z", "X"}


def name_of_worker(proc: Path = PROC) -> str:
    """This process, by its machine, its number, and when it was begun.

    Numbers come again, most of all in a container that was started anew. Without Linux's `proc`
    the number has to do.
    """
    process = str(os.getpid())
    said = _said_of(process, proc)
    return ".".join([f"{socket.gethostname()}:{process}", *(said[START:][:1] if said else [])])


def worker_is_gone(worker: str, proc: Path = PROC) -> bool | None:
    """Whether the process of this name has ended; `None` for one of another machine.

    Args:
        worker: as `name_of_worker` had it.
        proc: where Linux tells of its processes.
    """
    host, _, named = worker.rpartition(":")
    process, _, began = named.partition(".")
    if host != socket.gethostname() or not process.isdigit():
        return None
    try:
        os.kill(int(process), 0)  # asks only; signal 0 is never delivered
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass  # somebody else's, but there
    said = _said_of(process, proc)
    if said is None:
        return False
    # A number alone is an older version's name: no longer that of the process that asks.
    is_another = said[START] != began if began else int(process) == os.getpid()
    return said[STATE] in DEAD or is_another


def _said_of(process: str, proc: Path) -> list[str] | None:
    """The fields of `stat` behind the name, which may hold anything but ends with a bracket."""
    try:
        said = (proc / process / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return said if len(said) > START else None
