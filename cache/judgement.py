"""Whether a Redis suits a cache, said in words: what is wrong, what follows, what to set.

Pure: what `INFO` says in, sentences out. A server that says nothing of itself is no fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Evictions", "judge"]

GOOD_POLICIES = ("allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu")
OLDEST = (6, 2)
FULL, CROWDED = 0.9, 0.9
FRAGMENTED, SWAPPED = 1.5, 0.9
SMALL_BYTES = 100 * 2**20
"""Below this the ratio of fragmentation says more of Redis's own size than of its keys."""
SLOW_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Evictions:
    """How many keys were evicted within how many seconds."""

    count: int
    seconds: float


def judge(
    info: Mapping[str, Any], *, latency_ms: float, timeout_ms: float, evictions: Evictions
) -> list[str]:
    """What is wrong with a Redis that answers.

    Args:
        info: its INFO, the sections that it gives by default.
        latency_ms: of a PING just now.
        timeout_ms: after which it is given up.
        evictions: lately.
    """
    judged = (
        _limit(info),
        _policy(info),
        _room(info),
        _evictions(evictions),
        _fragmentation(info),
        _persistence(info),
        _role(info),
        _version(info),
        _clients(info),
        _latency(latency_ms, timeout_ms),
    )
    return [each for each in judged if each]


def _limit(info: Mapping[str, Any]) -> str:
    if info.get("maxmemory") != 0:
        return ""
    return (
        "maxmemory is not set: Redis may grow until the machine has no memory left; "
        "set maxmemory 256mb or more, with maxmemory-policy allkeys-lru."
    )


def _policy(info: Mapping[str, Any]) -> str:
    policy = info.get("maxmemory_policy")
    if not info.get("maxmemory") or policy in GOOD_POLICIES:
        return ""
    effect = "at the limit writes fail" if policy == "noeviction" else "it drops what is in use"
    return f"maxmemory-policy is {policy}: {effect}; set allkeys-lru."


def _room(info: Mapping[str, Any]) -> str:
    used, limit = info.get("used_memory", 0), info.get("maxmemory") or 0
    if not limit or used < limit * FULL:
        return ""
    refuses = info.get("maxmemory_policy") == "noeviction"
    effect = "it will soon refuse writes" if refuses else "it makes room by dropping entries"
    return f"Redis uses {_size(used)} of {_size(limit)}: {effect}; raise maxmemory."


def _evictions(evictions: Evictions) -> str:
    if evictions.count <= 0:
        return ""
    return (
        f"Redis has evicted {evictions.count} keys in the last {_time(evictions.seconds)}: "
        "it is too small for what is asked of it; raise maxmemory or lower the TTLs."
    )


def _fragmentation(info: Mapping[str, Any]) -> str:
    ratio, used = info.get("mem_fragmentation_ratio", 1.0), info.get("used_memory", 0)
    if used < SMALL_BYTES or SWAPPED <= ratio <= FRAGMENTED:
        return ""
    if ratio > FRAGMENTED:
        return (
            f"Redis takes {ratio:.1f} times the memory that it uses (fragmentation): "
            "set activedefrag yes, or restart it; nothing is lost."
        )
    return (
        f"Only {ratio:.0%} of Redis is in memory, the rest is swapped out: every answer may wait "
        "for a disk; give the machine more memory or lower maxmemory."
    )


def _persistence(info: Mapping[str, Any]) -> str:
    if info.get("rdb_last_bgsave_status") == "err" or info.get("aof_last_write_status") == "err":
        return (
            "Redis could not save itself to disk and may refuse writes for it: a cache needs no "
            'persistence; set save "" and appendonly no.'
        )
    kinds = [
        name
        for name, is_on in (
            ("appendonly", info.get("aof_enabled")),
            ("snapshots", info.get("rdb_saves")),
        )
        if is_on
    ]
    if not kinds:
        return ""
    return (
        f"Redis keeps itself on disk ({', '.join(kinds)}), which costs memory and pauses and gains "
        'a cache nothing: set save "" and appendonly no.'
    )


def _role(info: Mapping[str, Any]) -> str:
    if info.get("role") not in {"slave", "replica"}:
        return ""
    return "This Redis is a replica, which takes no writes: point REDIS_URL at its primary."


def _version(info: Mapping[str, Any]) -> str:
    told = str(info.get("redis_version", ""))
    parts = told.split(".")
    if len(parts) < len(OLDEST) or not all(each.isdigit() for each in parts[: len(OLDEST)]):
        return ""
    if tuple(int(each) for each in parts[: len(OLDEST)]) >= OLDEST:
        return ""
    oldest = ".".join(str(each) for each in OLDEST)
    return f"Redis {told} is older than {oldest}, which nobody maintains any more: upgrade it."


def _clients(info: Mapping[str, Any]) -> str:
    clients, most = info.get("connected_clients", 0), info.get("maxclients", 0)
    if not most or clients < most * CROWDED:
        return ""
    return f"Redis has {clients} of {most} clients: the next ones are refused; raise maxclients."


def _latency(latency_ms: float, timeout_ms: float) -> str:
    if latency_ms < timeout_ms * SLOW_SHARE:
        return ""
    return (
        f"Redis took {latency_ms:.0f} ms to answer a PING and is given up at {timeout_ms:.0f} ms: "
        "it is far away, overloaded, or its machine swaps."
    )


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.0f} MB" if size_bytes >= 2**20 else f"{size_bytes:.0f} bytes"


def _time(seconds: float) -> str:
    if seconds >= 7200:  # noqa: PLR2004 (hours are said from two on)
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"  # noqa: PLR2004
