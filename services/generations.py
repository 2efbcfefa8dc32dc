"""Generations of owners that nobody has written for long are purged: their rows stay bounded.

A missing row reads as 0, as it did before the owner's first write. So a row may go only when no
entry is left from then: when its last bump lies further back than any entry can live.
"""

from datetime import timedelta

import structlog

from cache.extension import cache
from cache.namespaces import NAMESPACES
from database.generations import purge
from services.runtime import runtime
from services.unit_of_work import unit_of_work

__all__ = ["AT_ONCE", "purge_generations"]

KEPT_AT_LEAST = timedelta(days=30)
LIVES = 2
"""How many times the longest TTL is waited: loads, clocks and a TTL that was longer before."""
AT_ONCE = 1000

log = structlog.get_logger(__name__)


def purge_generations() -> int:
    """Purge them; returns how many there were.

    The scopes of whole namespaces, of everything, and of values that no write raises stay.
    """
    before = runtime().clock.now() - max(KEPT_AT_LEAST, LIVES * _longest_life())
    derived = [space.name for space in NAMESPACES.values() if space.freshness.is_derived]
    purged, last = 0, AT_ONCE
    while last == AT_ONCE:
        with unit_of_work() as work:  # short ones: the rows are others' too
            last = purge(work.session, derived, before, limit=AT_ONCE)
        purged += last
    if purged:
        log.info("generations_purged", count=purged, before=before.isoformat())
    return purged


def _longest_life() -> timedelta:
    engine = cache.engine
    return timedelta(
        seconds=max(
            engine.ttl_of(space.name, resource, ttl_s)
            for space in NAMESPACES.values()
            for resource, ttl_s in space.ttls.items()
        )
    )
