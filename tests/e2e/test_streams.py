"""Streams over real workers: cut, resumed, shared, stopped; Redis, workers and servers that die."""

import os
import random
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3

from streams import sse
from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.openai_server import KEY
from tests.doubles.redis_process import RedisProcess
from tests.doubles.together import together
from tests.e2e.conftest import WORKER_CLASSES
from tests.factories.chats import events_of
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("streams")]

WORDS = " ".join(f"word{number}" for number in range(38))
"""At 50 ms each, a stream of two seconds."""
HEARTBEAT_S = 2.0
MARGIN_S = 5.0
"""What a busy machine may add to any limit."""
RETRY_S = 0.05
COMMENT = re.compile(rb": keep-alive\n\n")


def make_server(folder: Path, worker_class: str, redis: RedisProcess, url: str) -> GunicornServer:
    """Larder with two workers on that Redis."""
    return GunicornServer(
        folder,
        LARDER_WORKER_CLASS=worker_class,
        CACHE_BACKEND="auto",
        REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
        CACHE_KEY_PREFIX=worker_class,
        STREAM_HEARTBEAT=str(HEARTBEAT_S),
        PROVIDER_BETWEEN_TOKENS_TIMEOUT="1",
        SHUTDOWN_GRACE="10",
        OPENAI_BASE_URL=url,
        OPENAI_API_KEY=KEY,
    )


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    """The Redis that the workers share."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def larder(request, tmp_path_factory, redis, provider_url) -> Iterator[GunicornServer]:
    """One server for all tests that leave it running."""
    folder = tmp_path_factory.mktemp(f"streams-{request.param}")
    server = make_server(folder, request.param, redis, provider_url).start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def connected(request) -> None:
    """Each test begins with every worker speaking to Redis: another may just have killed it."""
    if "larder" in request.fixturenames:
        larder = request.getfixturevalue("larder")
        wait_until(lambda: all(each == "redis" for each in _caches(larder)), within_s=30)


def _caches(larder: GunicornServer) -> list[str]:
    ask = partial(larder.get, "/readyz", headers={"Connection": "close"})
    return [each.json()["cache"] for each in together([ask] * 8)]


def begin(larder: GunicornServer, model: str, content: str) -> tuple[Any, str, str]:
    """Ask, and go no further than the head: the response, the stream's id, the messages' path."""
    chat = larder.post("/api/conversations", {"model": f"openai/{model}"}).json()["id"]
    path = f"/api/conversations/{chat}/messages"
    close = {"Connection": "close"}  # gunicorn waits for idle connections when it ends
    answer = larder.post(path, {"content": content}, headers=close, preload_content=False)
    assert answer.status == 200, answer.data
    return answer, answer.headers["X-Larder-Stream-Id"], path


def read_on(larder: GunicornServer, stream_id: str, last: int, size: int = -1) -> bytes:
    """Up to `size` bytes of a stream from behind the event `last`, on a connection of its own."""
    with closing(
        larder.get(
            f"/api/streams/{stream_id}",
            headers={"Last-Event-ID": str(last), "Connection": "close"} if last >= 0 else
            {"Connection": "close"},
            preload_content=False,
        )
    ) as answer:  # fmt: skip
        return answer.read(size if size >= 0 else None)


def whole_events(body: bytes) -> bytes:
    """The part of a cut body that a client has dispatched: whole events, comments left out."""
    return COMMENT.sub(b"", body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b"")


def last_id(body: bytes, before: int) -> int:
    """The id of the last event of a body."""
    ids = [int(each.id) for each in sse.parse(body)]
    return ids[-1] if ids else before


def read_in_cuts(larder: GunicornServer, stream_id: str, seed: int) -> bytes:
    """The whole of a stream, cut at random and resumed each time, by whichever worker answers."""
    chance = random.Random(seed)  # noqa: S311 (cuts, no secret)
    body, last = b"", -1
    while b"event: done" not in body and b"event: error" not in body:
        part = whole_events(read_on(larder, stream_id, last, chance.randrange(1, 400)))
        body, last = body + part, last_id(part, last)
    return body


def test_a_stream_cut_at_random_equals_the_uninterrupted_one(larder):
    """S2, S3: byte for byte, at any cut, from any worker, by many readers of one call."""
    answer, stream_id, _ = begin(larder, "slow", WORDS)
    readers = [partial(read_in_cuts, larder, stream_id, seed) for seed in range(12)]

    bodies = together([lambda: COMMENT.sub(b"", answer.read()), *readers])

    assert bodies[0].count(b"event: delta") == 40
    assert set(bodies) == {bodies[0]}


def test_a_stop_holds_from_any_worker(larder):
    """S4: the reader gets its end, the text so far is kept and booked."""
    begun = [begin(larder, "slow", f"{WORDS} {WORDS} {WORDS}") for _ in range(4)]
    _ = [answer.read(150) for answer, _, _ in begun]

    asked_s = time.monotonic()
    together([partial(_stop, larder, each) for _, each, _ in begun])
    rests = [answer.read() for answer, _, _ in begun]
    took_s = time.monotonic() - asked_s

    assert took_s < 0.25 + MARGIN_S
    assert [events_of(b"\n\n" + rest[rest.find(b"id: ") :])[-1] for rest in rests] == [
        ("done", {"message_id": _last_message(larder, path)["id"], "finish_reason": "cancelled"})
        for _, _, path in begun
    ]


def _stop(larder: GunicornServer, stream_id: str) -> None:
    close = {"Connection": "close"}
    assert larder.request("DELETE", f"/api/streams/{stream_id}", headers=close).status == 204


def _last_message(larder: GunicornServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = larder.get(path).json()["items"][-1]
    return found


def test_redis_dying_in_mid_stream_costs_no_stream(larder, redis):
    """The readers of its own worker notice nothing, and the answer is kept."""
    answer, _, path = begin(larder, "slow", WORDS)
    answer.read(100)
    redis.kill()
    try:
        rest = answer.read()
    finally:
        redis.start()

    assert b"event: done" in rest
    assert _last_message(larder, path)["content"] == f"You said: {WORDS} "


def test_a_provider_that_stalls_runs_into_its_limit(larder):
    """Else a reader would wait for ever; what came is kept and booked."""
    answer, _, path = begin(larder, "stall", "hello")

    name, problem = events_of(answer.data)[-1]

    assert (name, problem["code"], problem["retryable"]) == ("error", "provider_timeout", True)
    assert _last_message(larder, path)["status"] == "error"


def test_readers_that_stop_reading_hold_up_nobody(larder):
    """S6: their connections stand still; the answer is made, kept, and read by others."""
    answer, stream_id, path = begin(larder, "long", "many")
    idle = [larder.get(f"/api/streams/{stream_id}", preload_content=False) for _ in range(8)]

    body = read_on(larder, stream_id, -1)
    wait_until(lambda: _last_message(larder, path)["status"] == "complete", within_s=30)
    for each in (answer, *idle):
        each.close()

    assert body.count(b"event: delta") == 1003
    assert body.count(b"event: done") == 1


def test_a_killed_worker_leaves_every_reader_one_error(larder):
    """S5: within the heartbeat's limit, the partial text kept, the usage booked once, estimated."""
    answer, stream_id, path = begin(larder, "slow", f"{WORDS} {WORDS} {WORDS}")
    answer.read(400)
    time.sleep(0.5)  # noqa: TID251 (what was written has time to reach Redis)

    _kill(_worker_of(larder, stream_id))
    killed_s = time.monotonic()
    bodies = together([lambda: read_to_end(larder, stream_id)] * 6)
    took_s = time.monotonic() - killed_s
    answer.close()

    assert took_s < HEARTBEAT_S + MARGIN_S
    assert [body.count(b"event: error") for body in bodies] == [1] * 6
    assert [events_of(body)[-1][1]["code"] for body in bodies] == ["producer_lost"] * 6
    assert_it_was_kept_and_booked(larder, path)


def assert_it_was_kept_and_booked(larder: GunicornServer, path: str) -> None:
    """The text that had come, and one ledger row that says it is an estimate."""
    kept = _last_message(larder, path)
    assert kept["content"].startswith("You said: word0 ")
    assert (kept["status"], kept["error_code"]) == ("error", "producer_lost")
    records = larder.get("/api/costs/records").json()["items"]
    mine = [each for each in records if each["message_id"] == kept["id"]]
    assert [(each["status"], each["is_estimated"]) for each in mine] == [("broken", True)]


def read_to_end(larder: GunicornServer, stream_id: str) -> bytes:
    """All of a stream, coming again as often as its connection breaks."""
    body, last = b"", -1
    while b"event: error" not in body and b"event: done" not in body:
        try:
            part = whole_events(read_on(larder, stream_id, last))
        except (urllib3.exceptions.HTTPError, OSError):
            part = b""
        if not part:
            time.sleep(RETRY_S)  # noqa: TID251 (a refusal at once would be asked for at once)
        body, last = body + part, last_id(part, last)
    return body


def _worker_of(larder: GunicornServer, stream_id: str) -> int:
    file = larder.folder / "instance" / "larder.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        [(worker,)] = database.execute("SELECT worker FROM streams WHERE id = ?", (stream_id,))
    return int(worker.rpartition(":")[2].partition(".")[0])


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_running_streams_finish_through_a_reload_and_an_end(
    tmp_path, redis, provider_url, worker_class
):
    """S5: SIGHUP replaces the workers, SIGTERM ends the server; neither cuts an answer short."""
    server = make_server(tmp_path, worker_class, redis, provider_url).start()
    first, _, _ = begin(server, "slow", WORDS)
    first.read(100)
    server.send_signal(signal.SIGHUP)
    through_reload = first.read()
    first.close()
    wait_until(lambda: len(server.worker_pids()) == 2, within_s=30)
    second, _, _ = begin(server, "slow", WORDS)
    second.read(100)
    server.send_signal(signal.SIGTERM)
    through_end = second.read()
    second.close()
    status = server.stop()

    assert [b"event: done" in each for each in (through_reload, through_end)] == [True, True]
    assert status == 0
