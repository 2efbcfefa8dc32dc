"""What the cache engine is set up with. Times are seconds, sizes bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CacheSettings", "CacheUnreachable"]


class CacheUnreachable(RuntimeError):
    """`CACHE_BACKEND=redis`, and Redis does not answer at start."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Settings of one application's cache.

    Attributes:
        backend: `auto` (Redis, else memory), `redis` (refuse to start without) or `memory`.
        redis_url: where Redis is; see `cache.connection` for the forms.
        key_prefix: what every Redis key begins with.
        memory_bytes: budget of the memory tier.
        memory_first: whether memory stands in front of Redis, or serves only in its absence.
        entry_bytes: a larger body is served, not stored.
        compress_bytes: bodies from this size on are compressed in Redis.
        connect_timeout_s: limit of a connect to Redis.
        timeout_s: limit of one answer of Redis: the most that its first failure costs a request.
        probe_s: how long after a failure Redis is tried again.
        wait_s: how long a read waits for another's load of the same entry.
        lease_s: after this a worker's turn to load is over, whatever became of it; less than
            `wait_s`, so that those who wait for a dead one still load one at a time.
        refreshes: how many entries a worker loads beside its requests at once.
        stale_s: the longest that any resource's `if_error_s` counts; 0: none does.
        outages: errors of loaders and of the generations' store that mean «out of reach»; where a
            resource allows it, its last good value is served instead.
        ttls: overrides by `<namespace>_<resource>`.
        audit_share: share of the hits that are loaded again and compared, 0 to 1.
        signing_keys: sign entries; the first writes, all are read.
    """

    backend: str = "auto"
    redis_url: str = "redis://localhost:6379/0"
    key_prefix: str = "larder"
    memory_bytes: int = 64 * 2**20
    memory_first: bool = True
    entry_bytes: int = 2 * 2**20
    compress_bytes: int = 8 * 1024
    connect_timeout_s: float = 0.1
    timeout_s: float = 0.2
    probe_s: float = 1.0
    wait_s: float = 5.0
    lease_s: float = 4.0
    refreshes: int = 4
    stale_s: float = float("inf")
    outages: tuple[type[Exception], ...] = (OSError,)
    audit_share: float = 0.0
    ttls: Mapping[str, int] = field(default_factory=dict)
    signing_keys: tuple[bytes, ...] = field(default=(), repr=False)
