"""What a worker does with entries whose time is over: count them by their use, and drop them.

Memory drops an entry when somebody asks for it after its time, or when room is needed; what nobody
asks for again would stay till then. And whether anybody had ever asked says what its TTL is worth.
"""

from cache.engine import CacheEngine
from cache.entries import Entry
from cache.namespaces import NAMESPACES
from cache.statistics import Statistics

__all__ = ["sweep"]


def sweep(engine: CacheEngine) -> int:
    """Drop what has run out in this worker's memory; how many entries that were."""
    ended = engine.memory.drop_ended()
    for entry in ended:
        _count(engine.statistics, entry)
    return len(ended)


def _count(statistics: Statistics, entry: Entry) -> None:
    namespace, _, resource = (*entry.key.split(":", 3), "", "", "")[:3]
    space = NAMESPACES.get(namespace)
    if space is not None and resource in space.ttls:  # keys set by hand may have any name
        use = "used" if entry.uses else "unused"
        statistics.count("ended", namespace, resource, use)
