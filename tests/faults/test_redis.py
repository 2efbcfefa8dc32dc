"""Redis killed, frozen, spoiled and full under gunicorn: every answer right, none an error.

Two workers of each class serve throughout and are never started again.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.redis_process import RedisProcess, strict_client
from tests.doubles.together import together
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("faults")]

READS = 16
"""At once, each on a connection of its own: so every worker answers some of them."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    """The server that is made to fail."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(scope="module", params=["gevent", "gthread"])
def larder(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis: RedisProcess,
) -> Iterator[GunicornServer]:
    """Larder on that Redis; Redis stands before memory, so that a hit says where it was."""
    folder: Path = tmp_path_factory.mktemp(f"faults-{request.param}")
    server = GunicornServer(
        folder,
        LARDER_WORKER_CLASS=request.param,
        CACHE_BACKEND="auto",
        REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
        CACHE_MEMORY_FIRST="false",
        CACHE_AUDIT_SHARE="1",
        CACHE_KEY_PREFIX=request.param,
    ).start()
    yield server
    totals = server.get("/api/cache/stats").json()["totals"]
    server.stop()
    assert totals["hits"] > 0
    assert totals["inconsistencies"] == 0


@pytest.fixture(autouse=True)
def healthy(larder: GunicornServer, redis: RedisProcess) -> None:
    """Each test begins with Redis up, and known to be up by every worker."""
    if redis.process is None:
        redis.start()
    _wait_for(larder, "redis")


def _ask_all(larder: GunicornServer, path: str) -> list[Any]:
    """Every worker's answers to the same question."""
    close = {"Connection": "close"}
    answers = together([lambda: larder.get(path, headers=close)] * READS)
    assert [each.status for each in answers] == [200] * READS, answers[0].data
    return answers


def _wait_for(larder: GunicornServer, tier: str) -> None:
    def all_say_so() -> bool:
        return all(each.json()["cache"] == tier for each in _ask_all(larder, "/readyz"))

    wait_until(all_say_so, within_s=20)


def _hit_in(answer: Any) -> str | None:
    """The tier that an answer says it was a hit in."""
    name, outcome, *parameters = answer.headers["Cache-Status"].split("; ")
    details = dict(each.split("=") for each in parameters if "=" in each)
    return details["detail"] if (name, outcome) == ("larder", "hit") else None


def _look(larder: GunicornServer) -> str | None:
    answer = larder.get("/api/folders")
    assert answer.status == 200, answer.data
    return _hit_in(answer)


def _all_see(larder: GunicornServer, name: str) -> bool:
    answers = _ask_all(larder, "/api/folders")
    return all(name in {row["name"] for row in each.json()["items"]} for each in answers)


def _wait_for_memory(larder: GunicornServer) -> None:
    """Every worker has noticed, and holds the folders in its own memory."""

    def all_hit() -> bool:
        return all(_hit_in(each) == "memory" for each in _ask_all(larder, "/api/folders"))

    wait_until(all_hit, within_s=20)


def _make(larder: GunicornServer, name: str) -> dict[str, Any]:
    answer = larder.post("/api/folders", {"name": name})
    assert answer.status == 201, answer.data
    made: dict[str, Any] = answer.json()
    return made


def test_redis_killed_and_back_without_a_restart(larder, redis):
    """A hit, a write, the next read fresh; Redis killed, a hit from memory; Redis back, from it."""
    _look(larder)
    warm = _look(larder)
    _make(larder, "before")
    fresh = _all_see(larder, "before")

    redis.kill()
    _wait_for_memory(larder)
    in_memory = _look(larder)
    redis.start()
    _wait_for(larder, "redis")
    _look(larder)
    again = _look(larder)

    assert fresh
    assert (warm, in_memory, again) == ("redis", "memory", "redis")


def test_a_write_during_the_outage_is_seen_after_it(larder, redis):
    """What Redis held from before is out of date, and nobody is served it."""
    _look(larder)
    redis.kill()
    _make(larder, "meanwhile")
    during = _all_see(larder, "meanwhile")
    redis.start()
    _wait_for(larder, "redis")

    assert during
    assert _all_see(larder, "meanwhile")


def test_a_frozen_redis_keeps_nobody_waiting_for_ever(larder, redis):
    """The sockets stay open and nothing answers: the hardest way to be away."""
    redis.signal(signal.SIGSTOP)
    try:
        _make(larder, "frozen")
        seen = _all_see(larder, "frozen")
        _wait_for_memory(larder)
    finally:
        redis.signal(signal.SIGCONT)
    _make(larder, "thawed")

    assert seen
    assert _all_see(larder, "thawed")


def test_a_frozen_redis_that_goes_on_holds_nothing_stale(larder, redis):
    """Unlike a killed one it still has its old entries when it is back."""
    _look(larder)
    redis.signal(signal.SIGSTOP)
    try:
        _make(larder, "while it slept")
    finally:
        redis.signal(signal.SIGCONT)
    _wait_for(larder, "redis")

    assert _all_see(larder, "while it slept")


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"\x00" * 64, b"\x93\xff" * 500])
def test_spoiled_entries_are_misses(larder, redis, rubbish):
    """Whoever may write to Redis cannot make Larder say what is not so, nor fail."""
    _make(larder, "true")
    _look(larder)
    client = strict_client(redis.port)
    for key in client.scan_iter("*"):
        if client.type(key) == b"string":
            client.set(key, rubbish)

    assert _all_see(larder, "true")


def test_an_emptied_redis_is_filled_again(larder, redis):
    """FLUSHALL loses time, never truth."""
    _make(larder, "kept")
    client = strict_client(redis.port)
    client.flushall()

    assert _all_see(larder, "kept")


def test_a_full_redis_refuses_and_is_not_needed(larder, redis):
    """Out of memory with noeviction: entries cannot be kept, everything else goes on."""
    client = strict_client(redis.port)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1mb")
    try:
        _make(larder, "full")
        seen = _all_see(larder, "full")
        health = larder.get("/api/cache/health").json()
    finally:
        client.config_set("maxmemory", "0")

    assert seen
    assert any("maxmemory" in each for each in health["warnings"])


def test_health_tells_of_the_outage(larder, redis):
    """An operator sees when it was and why, after it is over."""
    before = larder.get("/api/cache/health").json()
    redis.kill()
    _wait_for_memory(larder)
    away = larder.get("/api/cache/health").json()

    assert before["redis_reachable"] is True
    assert (away["backend"], away["redis_reachable"]) == ("memory", False)
    assert away["outages"][-1]["ended_at"] is None


def test_a_chat_goes_on_without_redis(larder, redis):
    """Streams are in Redis too; in its absence the answer still arrives, is kept and booked."""
    chat = larder.post("/api/conversations", {"model": "demo/echo"}).json()["id"]
    path = f"/api/conversations/{chat}/messages"
    redis.kill()
    answer = larder.post(path, {"content": "anybody there"})
    kept = larder.get(path).json()["items"][-1]
    record = larder.get("/api/costs/records").json()["items"][0]

    assert b"event: done" in answer.data
    assert "anybody there" in kept["content"]
    assert record["message_id"] == kept["id"]
