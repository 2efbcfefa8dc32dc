"""What is done once when a server starts: the first admin, the declared providers.

Several workers, or several machines, may do it at once: each step is harmless to repeat.
"""

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from cache.extension import cache
from services.errors import Unavailable
from services.installation import ensure_admin
from services.registration import register_providers
from services.runtime import runtime

__all__ = ["Start", "prepare"]


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
        SettingsError: the providers' TOML file cannot be read.
        Unavailable: the database has no tables yet.
    """
    try:
        secret = ensure_admin()
    except SQLAlchemyError as fault:
        raise Unavailable(
            "The database is not ready: run «flask db upgrade», and see that DATABASE_URL is right."
        ) from fault
    register_providers()
    lines = [_cache_line()]
    if secret is not None:
        lines.append(f"Admin API key (shown once, keep it): {secret}")
    return Start(tuple(lines))


def _cache_line() -> str:
    settings = runtime().settings
    database = settings.sqlalchemy_url.partition(":")[0].partition("+")[0]
    if cache.backend_in_use() == "redis":
        place = "in front and as" if settings.cache_memory_first else "as"
        return f"Database: {database}. Cache: Redis, with memory {place} the fallback."
    if settings.cache_backend == "memory":
        return f"Database: {database}. Cache: memory, as CACHE_BACKEND says."
    return f"Database: {database}. Cache: memory, for no Redis answers at REDIS_URL."
