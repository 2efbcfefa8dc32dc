"""A chat over gunicorn's two worker classes, with the provider in another process."""

import pytest

from tests.doubles.gunicorn_server import GunicornServer
from tests.factories.chats import events_of
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]


def make_chat(larder: GunicornServer, model: str) -> str:
    """A conversation with `model`; its id."""
    made = larder.post("/api/conversations", {"model": f"openai/{model}"})
    chat: str = made.json()["id"]
    return chat


def test_the_providers_models_are_in_the_catalogue_at_start(larder):
    """Nobody has to sync by hand what the environment names."""
    found = larder.get("/api/models?provider=openai").json()["items"]

    assert "openai/echo" in [each["id"] for each in found]


def test_a_chat_streams_and_is_kept(larder):
    """The whole way, over real sockets: events, message, ledger."""
    chat = make_chat(larder, "echo")

    answer = larder.post(f"/api/conversations/{chat}/messages", {"content": "good day"})

    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    events = events_of(answer.data)
    assert events[-1][0] == "done"
    kept = larder.get(f"/api/conversations/{chat}/messages").json()["items"][-1]
    assert kept["content"] == "You said: good day "
    record = larder.get("/api/costs/records").json()["items"][0]
    assert record["message_id"] == kept["id"]


def test_a_client_that_goes_away_loses_nothing(larder):
    """The answer is finished, kept and booked though nobody listens, and can be read again."""
    chat = make_chat(larder, "slow")
    path = f"/api/conversations/{chat}/messages"
    words = " ".join(f"word{number}" for number in range(20))

    answer = larder.post(path, {"content": words}, preload_content=False)
    first = answer.read(80)
    stream_id = answer.headers["X-Larder-Stream-Id"]
    answer.close()

    def is_complete() -> bool:
        last = larder.get(path).json()["items"][-1]
        return bool(last["status"] == "complete")

    assert first.startswith(b"retry: 2000\nid: 0\nevent: start")
    wait_until(is_complete, within_s=30)
    last = larder.get(path).json()["items"][-1]
    assert last["content"] == f"You said: {words} "
    records = larder.get("/api/costs/records").json()["items"]
    assert [each["status"] for each in records if each["message_id"] == last["id"]] == ["ok"]
    assert larder.get("/api/streams?active=true").json()["items"] == []
    assert stream_id == last["stream_id"]


def test_a_stop_keeps_what_was_written(larder):
    """Stopping works whichever worker the stop comes to."""
    chat = make_chat(larder, "slow")
    path = f"/api/conversations/{chat}/messages"
    words = " ".join(["word"] * 200)
    answer = larder.post(path, {"content": words}, preload_content=False)
    answer.read(200)

    stopped = larder.request("DELETE", f"/api/streams/{answer.headers['X-Larder-Stream-Id']}")

    rest = answer.read()
    assert stopped.status == 204
    assert b'"finish_reason":"cancelled"' in rest
    last = larder.get(path).json()["items"][-1]
    assert last["status"] == "cancelled"
    assert 0 < len(last["content"]) < len(words)


def test_a_read_after_a_write_is_never_older_on_any_worker(larder):
    """Read after acknowledged write, many times over two workers with caches of their own."""
    seen = []
    for number in range(30):
        made = larder.post("/api/folders", {"name": f"F{number}"}).json()["id"]
        seen.append(made)
        found = {each["id"] for each in larder.get("/api/folders").json()["items"]}

        assert set(seen) <= found


def test_statistics_add_up_over_all_workers(larder):
    """Hits and misses and bypasses are all the reads there were, to the unit."""
    larder.request("POST", "/api/cache/stats/reset")
    for _ in range(20):
        larder.get("/api/folders")

    stats = larder.get("/api/cache/stats").json()

    folders = next(each for each in stats["namespaces"] if each["namespace"] == "conversations")
    assert folders["hits"] + folders["misses"] + folders["bypasses"] == folders["reads"] == 20
