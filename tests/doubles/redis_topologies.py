"""Real servers that stand in for one another: a primary, its replica and Sentinels; a Cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from tests.doubles.redis_process import RedisProcess, free_port, patient_client
from tests.streams.scripts import wait_until

__all__ = ["RedisCluster", "SentinelGroup", "commands_asked"]

NODE_TIMEOUT_MS = 500
SLOTS = 16384
START_S = 30
AWAY_MS = 400


class RedisCluster:
    """Three primaries with a replica each; the first three of `nodes` are the primaries."""

    def __init__(self, folder: Path, *options: str, replicas: bool = True) -> None:
        self.nodes = [
            _node(folder / str(number), *options) for number in range(6 if replicas else 3)
        ]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in self.nodes)

    def start(self) -> "RedisCluster":
        """Run, deal out the slots, and wait until every node knows that all is well."""
        for each in self.nodes:
            each.launch()
        for each in self.nodes:
            wait_until(each.answers, within_s=START_S)
        first = self.nodes[0]
        for number, each in enumerate(self.nodes):
            each.tell("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if each is not first:
                first.tell("CLUSTER", "MEET", "127.0.0.1", each.port, _bus(each))
        bounds = [SLOTS * number // 3 for number in range(4)]
        for number, primary in enumerate(self.nodes[:3]):
            primary.tell("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for number, replica in enumerate(self.nodes[3:]):
            primary_id = self.nodes[number].tell("CLUSTER", "MYID")
            wait_until(_is_done(replica, "CLUSTER", "REPLICATE", primary_id), within_s=START_S)
        wait_until(lambda: all(self._is_well(each) for each in self.nodes), within_s=START_S)
        return self

    def kill(self) -> None:
        """End all of it."""
        for each in self.nodes:
            each.kill()

    def _is_well(self, node: RedisProcess) -> bool:
        info = node.tell("CLUSTER", "INFO")
        replication = patient_client(node.port).info("replication")
        return b"cluster_state:ok" in info and (
            replication["role"] == "master" or replication["master_link_status"] == "up"
        )


class SentinelGroup:
    """A primary, its replica, and Sentinels that watch them as `main`, `quorum` to agree."""

    def __init__(self, folder: Path, *, sentinels: int = 3) -> None:
        self.primary = RedisProcess("--dir", str(folder))
        self.replica = RedisProcess(
            *("--dir", str(folder), "--dbfilename", "replica.rdb"),
            *("--replicaof", f"127.0.0.1 {self.primary.port}", "--repl-diskless-sync-delay", "0"),
        )
        self.sentinels = [_sentinel(folder, number) for number in range(sentinels)]
        self._quorum = sentinels // 2 + 1
        self.url = (
            "redis+sentinel://"
            + ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
            + "/main"
        )

    def start(self) -> "SentinelGroup":
        """Run until the Sentinels know each other and the replica."""
        self.primary.start().tell("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        self.replica.start()
        for each in self.sentinels:
            each.start()
            each.tell("SENTINEL", "MONITOR", "main", "127.0.0.1", self.primary.port, self._quorum)
            each.tell("SENTINEL", "SET", "main", "down-after-milliseconds", AWAY_MS)
            each.tell("SENTINEL", "SET", "main", "failover-timeout", 3000)
        wait_until(lambda: all(self._knows_all(each) for each in self.sentinels), within_s=START_S)
        return self

    def kill(self) -> None:
        """End all of it."""
        for each in (self.primary, self.replica, *self.sentinels):
            each.kill()

    def _knows_all(self, sentinel: RedisProcess) -> bool:
        state: Any = patient_client(sentinel.port).sentinel_master("main")
        others: bool = state["num-other-sentinels"] == len(self.sentinels) - 1
        return others and state["num-slaves"] == 1


def commands_asked(node: RedisProcess) -> dict[str, int]:
    """How often each command was called on a server, by clients and by its primary."""
    found: Any = patient_client(node.port).info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}


def _node(folder: Path, *options: str) -> RedisProcess:
    folder.mkdir(parents=True)
    return RedisProcess(
        *("--cluster-enabled", "yes", "--dir", str(folder), "--cluster-port", str(free_port())),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0"),
        *options,
    )


def _sentinel(folder: Path, number: int) -> RedisProcess:
    settings = folder / f"sentinel-{number}.conf"
    settings.write_text("")
    return RedisProcess(sentinel_file=settings)


def _bus(node: RedisProcess) -> int:
    found: Any = patient_client(node.port).config_get("cluster-port")
    return int(found["cluster-port"])


def _is_done(node: RedisProcess, *words: Any) -> Callable[[], bool]:
    def is_done() -> bool:
        try:
            return bool(node.tell(*words))
        except redis.ResponseError:  # it has not heard of the other node
            return False

    return is_done
