"""The ways in which Redis fails, each done to a real server or to the wire before it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from redis.exceptions import BusyLoadingError, RedisError

from tests.doubles.redis_process import RedisProcess, free_port, patient_client
from tests.doubles.tcp_proxy import TcpProxy, Wire
from tests.streams.scripts import wait_until

__all__ = ["AWAY", "HERE", "Victim"]

LOAD_DELAY_US = 2000
LOADED_KEYS = 1500
FILLING = [f"filling:{number}" for number in range(64)]
FILLING_BYTES = 256 * 1024
"""Of each. Half of them are far more than the buffers of all connections, which count as well."""


class Victim:
    """A server with a wire before it and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = RedisProcess("--dir", str(folder)).start()
        self.proxy = TcpProxy(self.redis.port)
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"

    def close(self) -> None:
        """End both."""
        self.proxy.close()
        self.redis.kill()


Fault = Callable[[Victim], AbstractContextManager[None]]


def _wire(wire: Wire) -> Fault:
    @contextmanager
    def fault(victim: Victim) -> Iterator[None]:
        victim.proxy.wire = wire
        try:
            yield
        finally:
            victim.proxy.wire = Wire()

    return fault


def _settings(**settings: str) -> Fault:
    @contextmanager
    def fault(victim: Victim) -> Iterator[None]:
        client = patient_client(victim.redis.port)
        names = {name.replace("_", "-"): value for name, value in settings.items()}
        before: Any = {name: client.config_get(name)[name] for name in names}
        for name, value in names.items():
            client.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)

    return fault


@contextmanager
def refused(victim: Victim) -> Iterator[None]:
    """Nobody listens."""
    victim.proxy.refuse()
    try:
        yield
    finally:
        victim.proxy.accept()


@contextmanager
def restored(victim: Victim) -> Iterator[None]:
    """Killed, and back with what it held before everything that was written meanwhile."""
    victim.redis.tell("SAVE")
    victim.redis.kill()
    try:
        yield
    finally:
        victim.redis.start()
        (victim.folder / "dump.rdb").unlink()


@contextmanager
def frozen(victim: Victim) -> Iterator[None]:
    """Its sockets are open, and it does nothing."""
    victim.redis.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        victim.redis.signal(signal.SIGCONT)


@contextmanager
def read_only(victim: Victim) -> Iterator[None]:
    """It has become the replica of a server that is not there."""
    victim.redis.tell("REPLICAOF", "127.0.0.1", free_port())
    try:
        yield
    finally:
        victim.redis.tell("REPLICAOF", "NO", "ONE")


@contextmanager
def loading(victim: Victim) -> Iterator[None]:
    """Started again with much to load, which it says to all who ask."""
    client = patient_client(victim.redis.port)
    client.mset({f"load:{number}": "v" for number in range(LOADED_KEYS)})
    client.save()
    victim.redis.kill()
    slow = RedisProcess(
        *("--dir", str(victim.folder), "--port", str(victim.redis.port)),
        *("--key-load-delay", str(LOAD_DELAY_US)),
        *("--loading-process-events-interval-bytes", "1024"),
    )
    slow.launch()
    wait_until(lambda: _is_loading(client))
    try:
        yield
    finally:
        slow.kill()
        (victim.folder / "dump.rdb").unlink()
        victim.redis.start()


def _is_loading(client: Any) -> bool:
    try:
        client.ping()
    except BusyLoadingError:
        return True
    except RedisError:
        return False
    raise AssertionError("it had loaded everything before anybody asked")


@contextmanager
def cannot_save(victim: Victim) -> Iterator[None]:
    """Something stands where its snapshot belongs, and it takes no writes that it cannot save."""
    obstacle = victim.folder / "dump.rdb"
    (obstacle / "in the way").mkdir(parents=True)
    client = patient_client(victim.redis.port)
    client.config_set("save", "3600 1")
    client.bgsave()
    wait_until(lambda: _says(client, "rdb_last_bgsave_status", "err"))
    try:
        yield
    finally:
        (obstacle / "in the way").rmdir()
        obstacle.rmdir()
        client.save()
        client.config_set("save", "")
        obstacle.unlink()


def _says(client: Any, name: str, value: str) -> bool:
    state: dict[str, Any] = client.info("persistence")
    return bool(state[name] == value)


@contextmanager
def locked(victim: Victim) -> Iterator[None]:
    """Somebody has set a password, and put everybody out."""
    client = patient_client(victim.redis.port)
    client.config_set("requirepass", "new")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal")
    try:
        yield
    finally:
        client.execute_command("AUTH", "new")
        client.config_set("requirepass", "")


@contextmanager
def evicting(victim: Victim) -> Iterator[None]:
    """Over its limit, it drops what was not asked for lately, and always has more to drop.

    With nothing left it would refuse, as a full one does.
    """
    client = patient_client(victim.redis.port)
    for key in FILLING:
        client.set(key, b"x" * FILLING_BYTES)
    limit = client.info("memory")["used_memory"] - len(FILLING) // 2 * FILLING_BYTES
    try:
        with _settings(maxmemory=str(limit), maxmemory_policy="allkeys-lru")(victim):
            yield
            assert 0 < client.exists(*FILLING) < len(FILLING)
    finally:
        client.unlink(*FILLING)


@contextmanager
def flushed(victim: Victim) -> Iterator[None]:
    """Emptied, again and again."""
    victim.redis.tell("FLUSHALL")
    yield
    victim.redis.tell("FLUSHALL")


AWAY: dict[str, tuple[Fault, str]] = {
    "refused": (refused, "ConnectionError"),
    "killed and restored": (restored, "ConnectionError"),
    "frozen": (frozen, "TimeoutError"),
    "slow": (_wire(Wire(delay_s=0.6)), "SlowAnswers|TimeoutError"),
    "late": (_wire(Wire(delay_s=3.0)), "TimeoutError"),
    "trickling": (_wire(Wire(delay_s=0.4, piece_bytes=1)), "TimeoutError"),
    "truncated": (_wire(Wire(cut_after=3)), "ConnectionError"),
    "reset in mid-reply": (_wire(Wire(cut_after=3, resets=True)), "ConnectionError"),
    "read-only": (read_only, "ReadOnlyError"),
    "loading": (loading, "BusyLoadingError"),
    "cannot save": (cannot_save, "CannotSave"),
    "another password": (locked, "AuthenticationError|ConnectionError"),
}
"""What opens the circuit, and the word or words for it."""

HERE: dict[str, tuple[Fault, set[str]]] = {
    "flushed": (flushed, set()),
    "full": (_settings(maxmemory="1", maxmemory_policy="noeviction"), {"OutOfMemoryError"}),
    "evicting": (evicting, set()),
}
"""What Redis survives, so that it goes on being asked, and what is told of it."""
