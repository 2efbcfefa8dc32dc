"""Locks among the workers of one machine: files that the kernel locks, and frees when one dies.

A file is also where a load is handed over while Redis is away: its holder leaves the entry in it,
as signed bytes, and whoever holds it next need not load again.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

__all__ = ["FileLocks"]

SLOTS = 256
MAX_LEFT_BYTES = 256 * 1024
LEFT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A locked file."""

    file: int

    def left(self) -> bytes | None:
        """What stands in it, unless it has stood there for long: then it is taken away."""
        found = os.fstat(self.file)
        if found.st_size == 0:
            return None
        if abs(time.time() - found.st_mtime) > LEFT_S:
            os.ftruncate(self.file, 0)
            return None
        return os.pread(self.file, found.st_size, 0)

    def leave(self, raw: bytes) -> None:
        """Write `raw` for the next holder; what is large is not handed over."""
        os.ftruncate(self.file, 0)
        if len(raw) <= MAX_LEFT_BYTES:
            os.pwrite(self.file, raw, 0)

    def release(self) -> None:
        """Unlock it."""
        os.close(self.file)


class FileLocks:
    """A bounded set of files; names share them by their hash, which costs a wait at worst.

    Args:
        folder: where they are; made, for this user alone, when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def try_hold(self, name: str) -> _Held | None:
        """Lock the file of `name`, or learn at once that somebody has it.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = self._folder / f"{crc32(name.encode()) % SLOTS:02x}"
        try:
            file = self._open(path)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._open(path)
        return _locked(file)

    def close(self) -> None:
        """Take away what was left in the files."""
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            held = _locked(self._open(path))
            if held is not None:
                os.ftruncate(held.file, 0)
                held.release()

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _locked(file: int) -> _Held | None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return _Held(file)
