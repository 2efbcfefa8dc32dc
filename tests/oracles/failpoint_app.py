"""Larder with places to die at: reached with its file in the folder, one kills the worker.

The ports around the engine and the database are wrapped here; Larder itself knows nothing of it.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, has_request_context
from sqlalchemy import RootTransaction

from app import create_app
from cache.extension import cache

__all__ = ["FOLDER", "app"]

FOLDER = "failpoints"
"""Under `LARDER_INSTANCE_PATH`; a file's name is the place, its presence arms it once."""


class _Places:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def reach(self, name: str) -> None:
        """Be there; the end, if it is armed."""
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, with a place before and one after it."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            result = call(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return wrapped


def _in_requests(armed: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """`armed` for what a client asked for: what a worker does by itself would die in its place."""

    def chosen(*args: Any, **kwargs: Any) -> Any:
        return (armed if has_request_context() else plain)(*args, **kwargs)

    return chosen


def _make() -> Flask:
    made = create_app()
    places = _Places(Path(made.instance_path) / FOLDER)
    transaction: Any = RootTransaction
    transaction.commit = _in_requests(
        places.around("commit", transaction.commit), transaction.commit
    )
    engine: Any = cache.engine_of(made)
    engine.tiers.store = places.around("store", engine.tiers.store)
    leases = engine._leases  # noqa: SLF001 (a place of its own)
    leases.take = places.around("lease", leases.take)
    return made


app = _make()
