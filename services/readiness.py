"""Readiness: the database must answer; the cache may stand on memory."""

from typing import Any

from cache.extension import cache
from database.session import database_answers

__all__ = ["check"]


def check() -> dict[str, Any]:
    """State in words: `status` ready|unready, `database` ok|away, `cache` redis|memory."""
    answers = database_answers()
    return {
        "status": "ready" if answers else "unready",
        "database": "ok" if answers else "away",
        "cache": cache.backend_in_use(),
    }
