"""Databases as a first start leaves them: made once for each way to start, then copied.

Making the tables and the first admin takes longer than most tests do otherwise.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from app import create_app
from config import Settings
from database.session import db
from services.startup import prepare
from telemetry.clock import Clock

__all__ = ["PreparedDatabases"]


class PreparedDatabases:
    """SQLite files with all tables, an owner and the declared providers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[tuple[Settings, datetime, Path]] = []

    def bring(self, settings: Settings, clock: Clock) -> bool:
        """Put one where `settings` has its database.

        Returns:
            Whether it could: a file of SQLite's, and a secret that does not stand beside it.
        """
        url = make_url(settings.sqlalchemy_url)
        if url.get_backend_name() != "sqlite" or not url.database or not settings.secret_key:
            return False
        shutil.copyfile(self._like(self._placeless(settings), clock), url.database)
        return True

    def _placeless(self, settings: Settings) -> Settings:
        """What decides of the content; not where it lies, nor how it is cached."""
        return replace(
            settings,
            instance_path=self._folder,
            database_url="",
            cache_backend="memory",
            cache_key_prefix="",
            redis_url="",
        )

    def _like(self, settings: Settings, clock: Clock) -> Path:
        now = clock.now()
        for known, at, path in self._made:
            if (known, at) == (settings, now):
                return path
        path = self._folder / f"{len(self._made)}.sqlite3"
        _make(replace(settings, database_url=f"sqlite:///{path}.made"), clock, path)
        self._made.append((settings, now, path))
        return path


def _make(settings: Settings, clock: Clock, path: Path) -> None:
    """Start on the database of `settings`; `path` gets it as it is before the end adds figures."""
    app = create_app(settings, clock=clock)
    with app.app_context():
        db.create_all()
        prepare()
        source = sqlite3.connect(f"{path}.made")
        with closing(source), closing(sqlite3.connect(path)) as target:
            source.backup(target)
        app.extensions["larder_shutdown"](0.0)
        db.engine.dispose()
