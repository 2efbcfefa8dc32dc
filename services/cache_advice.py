"""What the figures say about the TTLs, in sentences with their reasons; silence where they do not.

Three things are told apart: reloads that brought nothing new (a longer TTL would have saved them),
misses that follow writes or are first reads (no TTL would), entries that ended unread (a shorter
TTL would cost nobody anything). Nothing is said before there are enough of a kind.
"""

from collections.abc import Mapping

from cache.statistics import Figures

__all__ = ["advice"]

ENOUGH = 100
"""Reads, or entries, of a resource below which chance may speak."""
MOST = 0.5
POOR_RATIO = 0.3
UNCHANGED = 0.8
UNUSED = 0.6
LONGER, SHORTER = 2, 0.5


def advice(namespace: str, resources: Mapping[str, Figures], ttls: Mapping[str, int]) -> list[str]:
    """Sentences about one namespace's TTLs.

    Args:
        namespace: its name.
        resources: each resource's counts.
        ttls: seconds by resource, with the operator's overrides.
    """
    found = []
    for resource, counts in sorted(resources.items()):
        if resource in ttls:
            name = f"{namespace}_{resource}"
            told = (
                _reloads(name, counts, ttls[resource]),
                _misses(name, counts),
                _unread(name, counts, ttls[resource]),
            )
            found += [each for each in told if each]
    return found


def _reloads(name: str, counts: Figures, ttl_s: int) -> str:
    same, other = (int(counts.get(f"reloads|{each}", 0)) for each in ("unchanged", "changed"))
    expired = _reads(counts, "miss").get("expired", 0)
    if same + other < ENOUGH or same < (same + other) * UNCHANGED:
        return ""
    reads = sum(_reads(counts, "hit").values()) + sum(_reads(counts, "miss").values())
    return (
        f"{name}: {same} of {same + other} reloads after the TTL of {ttl_s} s brought the same "
        f"answer, and {expired} of {reads} reads had to wait for one; every write is seen at once "
        f"all the same, so {_variable(name)}={ttl_s * LONGER} would save most of them."
    )


def _misses(name: str, counts: Figures) -> str:
    hits, misses = sum(_reads(counts, "hit").values()), _reads(counts, "miss")
    total = sum(misses.values())
    if hits + total < ENOUGH or hits >= (hits + total) * POOR_RATIO:
        return ""
    reason = max(misses, key=lambda each: misses[each])
    if misses[reason] < total * MOST:
        return ""
    words = {
        "stamp": "follow writes to what they show: no TTL would change that",
        "absent": "are first reads: warming would help, a longer TTL would not",
        "signature": "met bytes that are not Larder's: somebody else writes to this Redis",
        "schema": "met entries of another version: they end with the upgrade",
        "request": "were asked for by the clients' Cache-Control: no-cache",
    }
    told = words.get(reason)
    return f"{name}: {misses[reason]} of {total} misses {told}." if told else ""


def _unread(name: str, counts: Figures, ttl_s: int) -> str:
    """Entries that ended unread where they were made, less those that others may have read.

    Every hit in Redis may have been the one use of another worker's entry, so what is left is sure.
    """
    unused, used = (int(counts.get(f"ended|{each}", 0)) for each in ("unused", "used"))
    elsewhere = _reads(counts, "hit").get("redis", 0)
    sure = unused - elsewhere
    ended = unused + used
    if ended < ENOUGH or sure < ended * UNUSED:
        return ""
    return (
        f"{name}: at least {sure} of {ended} entries ended without anybody having read them again; "
        f"{_variable(name)}={max(1, int(ttl_s * SHORTER))} would hold half as many for nothing."
    )


def _reads(counts: Figures, outcome: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in counts.items():
        parts = name.split("|")
        if parts[:2] == ["reads", outcome] and value:
            found[parts[2]] = found.get(parts[2], 0) + int(value)
    return found


def _variable(name: str) -> str:
    return f"CACHE_TTL_{name.upper()}"
