"""What a Cluster needs that one server does not: all its primaries are asked, one by one."""

from collections.abc import Sequence
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import ClusterDownError

__all__ = ["SCAN_STEP", "probe_keys", "scan_step"]

SLOTS = 16384
SCAN_STEP = 500


def probe_keys(client: Any, key: str) -> list[str]:
    """Keys to write to, one on each primary: a Cluster is back when all of it is.

    Raises:
        ClusterDownError: part of the Cluster is nobody's.
    """
    if not isinstance(client, RedisCluster):
        return [key]
    cluster: Any = client
    owners = cluster.nodes_manager.slots_cache
    if len(owners) < SLOTS:
        raise ClusterDownError(f"{SLOTS - len(owners)} slots are covered by no node")
    wanted = {nodes[0].name for nodes in owners.values()}
    found: dict[str, str] = {}
    for number in range(SLOTS):
        each = f"{key}:{number}"
        found.setdefault(owners[cluster.keyslot(each)][0].name, each)
        if wanted <= found.keys():
            break
    return list(found.values())


def scan_step(client: Any, pattern: str, cursor: int) -> tuple[int, Sequence[bytes]]:
    """One bounded step through the keys: the next cursor (0 at the end) and what it found.

    A Cluster's primaries are walked one after the other; the cursor says which one's turn it is.
    """
    if not isinstance(client, RedisCluster):
        after, found = client.scan(cursor=cursor, match=pattern, count=SCAN_STEP)
        return int(after), list(found)
    cluster: Any = client
    primaries: list[Any] = sorted(cluster.get_primaries(), key=lambda node: str(node.name))
    at, index = divmod(cursor, len(primaries))
    node = primaries[index]
    cursors, found = cluster.scan(cursor=at, match=pattern, count=SCAN_STEP, target_nodes=node)
    after = int(cursors[node.name])
    if after:
        return after * len(primaries) + index, list(found)
    return (index + 1) % len(primaries), list(found)
