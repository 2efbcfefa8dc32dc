"""What is done once when a server starts: the first admin, the declared providers.

Several workers, or several machines, may do it at once: each step is harmless to repeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cache.extension import cache
from database.generations import GenerationsOutOfReach
from database.revisions import revisions
from services.errors import Unavailable
from services.installation import ensure_admin
from services.registration import register_providers
from services.runtime import runtime

__all__ = ["Start", "needed_database", "prepare"]

NOT_READY = (
    OperationalError, InterfaceError, ProgrammingError, PoolTimeout, GenerationsOutOfReach
)  # fmt: skip
"""The database is away or locked, or lacks a table or a column."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a start came to, in lines for the terminal."""

    lines: tuple[str, ...]


def prepare() -> Start:
    """Make the installation ready to serve.

    Returns:
        What to tell the operator, with the first admin's key if one was made up here: it is shown
        this once.

    Raises:
        SettingsError: the providers' TOML file cannot be read, or the admin's key not be used.
        Unavailable: the database is away, has no tables yet, or not those of this release.
    """
    with needed_database():
        _check_revision()
        secret = ensure_admin()
        register_providers()
    lines = [_cache_line()]
    if secret is not None:
        lines.append(f"Admin API key (shown once, keep it): {secret}")
    return Start(tuple(lines))


@contextmanager
def needed_database() -> Iterator[None]:
    """Tell in a sentence that the database is not as it must be, and what it said.

    Raises:
        Unavailable: instead of the database's own error.
    """
    try:
        yield
    except NOT_READY as fault:
        raise Unavailable(
            "The database is not ready: run «flask db upgrade», and see that DATABASE_URL is right."
            f" It said: {_said(fault)}"
        ) from fault


def _said(fault: BaseException) -> str:
    """The first line of what the driver said, without the statement."""
    while not getattr(fault, "orig", None) and fault.__cause__ is not None:
        fault = fault.__cause__
    return str(getattr(fault, "orig", None) or fault).partition("\n")[0]


def _check_revision() -> None:
    found, known = revisions(runtime().settings.root / "migrations")
    if found and found != known:
        raise Unavailable(
            f"The database is at revision {', '.join(sorted(found))}, and this Larder needs"
            f" {', '.join(sorted(known))}: run «flask db upgrade», or the release that upgraded it."
        )


def _cache_line() -> str:
    settings = runtime().settings
    database = settings.sqlalchemy_url.partition(":")[0].partition("+")[0]
    if cache.backend_in_use() == "redis":
        place = "in front and as" if settings.cache_memory_first else "as"
        return f"Database: {database}. Cache: Redis, with memory {place} the fallback."
    if settings.cache_backend == "memory":
        return f"Database: {database}. Cache: memory, as CACHE_BACKEND says."
    redis = cache.engine.redis
    why = "there is no Redis" if redis is None else redis.why_away
    return f"Database: {database}. Cache: memory, for {why.removesuffix('.')}."
