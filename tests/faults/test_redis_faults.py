"""Every way in which Redis fails, under both worker classes at once: no answer wrong, none late.

The servers are started once; all that happens to Redis happens before their eyes.
"""

import time
from collections.abc import Iterator

import pytest

from telemetry.clock import SYSTEM_CLOCK
from tests.doubles.redis_process import patient_client
from tests.faults.installation import TIMEOUT_S, Installation, hit_in
from tests.faults.redis_faults import AWAY, HERE, Victim

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis-faults")]

SLACK_S = 2.0
"""What a loaded machine may add."""


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """The Redis that is made to fail."""
    made = Victim(tmp_path_factory.mktemp("redis"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory, victim: Victim) -> Iterator[Installation]:
    """Four workers on it. Not one hit of theirs may differ from the database."""
    made = Installation(tmp_path_factory.mktemp("larder"), [victim.url] * 2).start()
    yield made
    figures = made.stop()
    assert all(each["hits"] > 0 for each in figures)
    assert [each["inconsistencies"] for each in figures] == [0, 0]


@pytest.fixture(autouse=True)
def healthy(larder: Installation) -> None:
    """Each test begins with Redis up, known to be up, and with folders in it."""
    larder.wait_for("redis")
    larder.ask_all("/api/folders")


@pytest.mark.parametrize("name", AWAY)
def test_a_redis_that_is_away_is_done_without(larder, victim, name):
    """One time-out at most to find out, nothing after that, and back without a restart."""
    fault, reasons = AWAY[name]
    began_at = SYSTEM_CLOCK.now()
    with fault(victim):
        began_s = time.monotonic()
        larder.ask_all("/api/folders")
        found_out_s = time.monotonic() - began_s
        larder.write(f"during {name}")
        seen_during = larder.all_see(f"during {name}")
        larder.wait_for("memory")
        larder.ask_all("/api/folders")
        in_memory = [hit_in(each) for each in larder.ask_all("/api/folders")]
    larder.wait_for("redis")
    outages = larder.outages_since(began_at)

    assert found_out_s < TIMEOUT_S + SLACK_S
    assert seen_during
    assert set(in_memory) == {"memory"}
    assert larder.all_see(f"during {name}")
    known = [each for each in outages if each["reason"] in reasons.split("|")]
    assert known, outages
    assert all(each["detail"] for each in known)
    assert any(each["ended_at"] is not None for each in known)


@pytest.mark.parametrize("name", HERE)
def test_a_redis_that_only_loses_things_is_gone_on_with(larder, victim, name):
    """What it cannot keep is loaded again; it stays in use, and a full one is told of."""
    fault, reasons = HERE[name]
    began_at = SYSTEM_CLOCK.now()
    with fault(victim):
        answers = larder.ask_all("/api/folders")
        larder.write(f"during {name}")
        seen = larder.all_see(f"during {name}")
        in_use = {each.json()["cache"] for each in larder.ask_all("/readyz")}
        told = {each["reason"] for each in larder.outages_since(began_at)}

    assert {each.status for each in answers} == {200}
    assert seen
    assert in_use == {"redis"}
    assert told & {"OutOfMemoryError"} == reasons
    assert larder.all_see(f"during {name}")


def test_an_outage_is_told_of_while_it_lasts(larder, victim):
    """An operator sees since when and why, and what it means."""
    with AWAY["refused"][0](victim):
        larder.ask_all("/api/folders")
        larder.wait_for("memory")
        health = larder.servers[0].get("/api/cache/health").json()

    assert (health["backend"], health["redis_reachable"]) == ("memory", False)
    assert health["circuit"] == "open"
    assert health["outages"][-1]["ended_at"] is None
    assert any("memory" in each for each in health["warnings"])


def test_a_hit_says_where_it_was(larder, victim):
    """In Redis, in memory while it is away, and in Redis again."""
    larder.ask_all("/api/folders")
    before = {hit_in(each) for each in larder.ask_all("/api/folders")}
    with AWAY["refused"][0](victim):
        larder.ask_all("/api/folders")
        larder.wait_for("memory")
        larder.ask_all("/api/folders")
        during = {hit_in(each) for each in larder.ask_all("/api/folders")}
    larder.wait_for("redis")
    larder.ask_all("/api/folders")
    after = {hit_in(each) for each in larder.ask_all("/api/folders")}

    assert (before, during, after) == ({"redis"}, {"memory"}, {"redis"})


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"\x00" * 64, b"\x93\xff" * 500])
def test_spoiled_entries_are_misses(larder, victim, rubbish):
    """Whoever may write to Redis cannot make Larder say what is not so, nor fail."""
    name = f"true whatever {len(rubbish)}"
    larder.write(name)
    larder.ask_all("/api/folders")
    client = patient_client(victim.redis.port)
    for key in client.scan_iter("*", _type="string"):
        client.set(key, rubbish)

    assert larder.all_see(name)


def test_a_chat_goes_on_without_redis(larder, victim):
    """Streams are in Redis too; in its absence the answer still arrives, is kept and booked."""
    server = larder.servers[0]
    chat = server.post("/api/conversations", {"model": "demo/echo"}).json()["id"]
    path = f"/api/conversations/{chat}/messages"
    with AWAY["frozen"][0](victim):
        answer = server.post(path, {"content": "anybody there"})
        kept = server.get(path).json()["items"][-1]
        record = server.get("/api/costs/records").json()["items"][0]

    assert b"event: done" in answer.data
    assert "anybody there" in kept["content"]
    assert record["message_id"] == kept["id"]
