"""Entries as admins see them: found, counted and dropped, in memory and in Redis alike."""

import threading

import fakeredis
import pytest

from cache.cluster import SCAN_STEP
from cache.inspection import MAX_STEPS, Inspector, KeyPage, KeyPosition
from tests.doubles.redis_process import patient_client
from tests.doubles.together import together
from tests.factories.caches import make_call, make_engine
from tests.streams.scripts import wait_until


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the engine."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture(params=["memory", "redis"])
def worker(request, store, clock, server, new_tier):
    """A worker on each of the two."""
    if request.param == "memory":
        return make_engine(store, clock)
    return make_engine(store, clock, new_tier(fakeredis.FakeRedis(server=server)))


@pytest.fixture
def shared(store, clock, server, new_tier):
    """A worker on Redis."""
    return make_engine(store, clock, new_tier(fakeredis.FakeRedis(server=server)))


def _all(inspector: Inspector, owner=None, prefix="", namespace="users", limit=50) -> list[str]:
    """All pages' keys; each page is bounded, the last one leads to no other."""
    after: KeyPosition | None = KeyPosition()
    found: list[str] = []
    while after is not None:
        page = inspector.keys(namespace, owner, prefix, after, limit)
        assert len(page.keys) <= limit
        found += page.keys
        after = page.next
    return sorted(found)


def _key(owner: str, resource: str = "me") -> str:
    return make_call(owner=owner, resource=resource).key


def test_keys_of_a_namespace_are_found(worker):
    """Those of others are not."""
    for owner in ("u1", "u2"):
        worker.read(make_call(owner=owner))

    inspector = Inspector(worker)

    assert _all(inspector) == [_key("u1"), _key("u2")]
    assert _all(inspector, namespace="models") == []
    assert _all(inspector, namespace="user") == []


@pytest.mark.parametrize(
    ("owner", "prefix", "found"),
    [
        ("u1", "", [_key("u1", "list"), _key("u1", "me")]),
        ("u1", "me:", [_key("u1")]),
        (None, "me", [_key("u10"), _key("u1"), _key("u?")]),
        ("u", "", []),
        ("", "", []),
        ("u?", "", [_key("u?")]),
        ("*", "", []),
        ("u[1]", "", []),
    ],
)
def test_keys_are_found_by_owner_and_prefix(worker, owner, prefix, found):
    """To the letter: a pattern's special characters are letters like any other."""
    for each in ("u1", "u10", "u?"):
        worker.read(make_call(owner=each))
    worker.read(make_call(owner="u1", resource="list"))

    assert _all(Inspector(worker), owner, prefix) == found


@pytest.mark.parametrize("limit", [7, 200, SCAN_STEP + 10])
def test_keys_come_in_pages(worker, limit):
    """All of them in the end, however many, and none of them twice."""
    owners = [f"u{number:04}" for number in range(SCAN_STEP + 20)]
    for owner in owners:
        worker.read(make_call(owner=owner))

    first = Inspector(worker).keys("users", None, "", KeyPosition(), limit)

    assert 0 < len(first.keys) < len(owners)
    assert first.next is not None
    assert _all(Inspector(worker), limit=limit) == [_key(owner) for owner in owners]


def test_nothing_is_an_empty_page(worker):
    """And the end."""
    assert Inspector(worker).keys("users", None, "", KeyPosition(), 50) == KeyPage((), None)


def test_an_entry_is_shown_with_its_tier(worker):
    """Also one that a write has made old: admins want to know why it is not served."""
    worker.read(make_call())
    worker.generations.bump(worker.scopes("users", make_call().scope))

    found = Inspector(worker).entry(_key("u1"))

    assert found is not None
    entry, tier = found
    assert (entry.key, entry.body, tier) == (
        _key("u1"),
        b'["loaded"]',
        "redis" if worker.redis else "memory",
    )


@pytest.mark.parametrize("raw", [b"foreign", b"LD1" + b"\x00" * 100])
def test_foreign_bytes_are_no_entry(shared, client, raw):
    """Nothing of them is shown."""
    client.set(f"t:{_key('u1')}", raw)

    assert Inspector(shared).entry(_key("u1")) is None


def test_what_is_not_there_is_no_entry(worker):
    """As one would expect."""
    assert Inspector(worker).entry("users:u1:me:none") is None


def test_a_dropped_entry_is_gone(worker):
    """From every tier; its neighbours stay."""
    for owner in ("u1", "u2"):
        worker.read(make_call(owner=owner))

    Inspector(worker).drop(_key("u1"))

    assert _all(Inspector(worker)) == [_key("u2")]
    assert worker.read(make_call()).detail == "absent"
    assert worker.read(make_call(owner="u2")).detail == "memory"


def test_entries_are_counted(worker):
    """With the bytes that this worker's memory spends on them."""
    for owner in ("u1", "u2", "u3"):
        worker.read(make_call(owner=owner))

    count = Inspector(worker).count("users")

    assert (count.entries, count.is_complete) == (3, True)
    assert count.size_bytes == worker.memory.size_bytes
    assert Inspector(worker).count("models").entries == 0


@pytest.fixture
def crowded(store, clock, redis_process, new_tier):
    """A worker on a real server with fifty thousand keys, and a client of somebody else's."""
    client = patient_client(redis_process.port)
    client.flushall()
    client.mset({f"t:users:u{number}:me:x": b"" for number in range(30_000)})
    client.mset({f"t:files:u{number}:list:x": b"" for number in range(20_000)})
    client.config_resetstat()
    yield make_engine(store, clock, new_tier(client)), client
    client.flushall()
    client.close()


def _longest_ms(client, *commands: str) -> float:
    """The server's own measure of how long one of these held up everyone else, on average."""
    stats = client.info("commandstats")
    longest_us: float = max(stats[f"cmdstat_{each}"]["usec_per_call"] for each in commands)
    return longest_us / 1000


@pytest.mark.server
def test_counting_stops_early_and_reckons(crowded):
    """A cache of millions does not hold up an admin's page; what it shows is then about right."""
    worker, client = crowded

    counts = Inspector(worker).counts()

    assert not counts["users"].is_complete
    assert counts["users"].entries == pytest.approx(30_000, rel=0.25)
    assert counts["files"].entries == pytest.approx(20_000, rel=0.25)
    assert client.info("commandstats")["cmdstat_scan"]["calls"] <= MAX_STEPS


@pytest.mark.server
def test_nobody_waits_while_fifty_thousand_keys_are_walked(crowded):
    """Each step is short, each page bounded, and other clients are served in between."""
    worker, client = crowded
    pages, ended = [], threading.Event()

    def walk() -> None:
        inspector = Inspector(worker)
        after: KeyPosition | None = KeyPosition()
        while after is not None:
            page = inspector.keys("users", None, "", after, 200)
            pages.append(page)
            after = page.next
        inspector.reclaim("users")
        wait_until(lambda: not any(each.name == "cache-reclaim" for each in threading.enumerate()))
        ended.set()

    def ping() -> int:
        other = patient_client(client.connection_pool.connection_kwargs["port"])
        answers = sum(bool(other.ping()) for _ in iter(ended.is_set, True))
        other.close()
        return answers

    _, answered = together([walk, ping])

    assert sum(len(page.keys) for page in pages) == 30_000
    assert max(len(page.keys) for page in pages) <= 200
    assert answered > 10
    assert _longest_ms(client, "scan", "unlink") < 5
    assert "cmdstat_keys" not in client.info("commandstats")
    assert client.dbsize() == 20_000


@pytest.mark.server
def test_bytes_in_redis_are_reckoned_from_some_keys(store, clock, redis_process, new_tier):
    """What a namespace takes up there, its keys included."""
    client = patient_client(redis_process.port)
    client.flushall()
    worker = make_engine(store, clock, new_tier(client))
    for number in range(40):
        worker.read(make_call(lambda: "x" * 5000, owner=f"u{number}"))

    count = Inspector(worker).count("users")
    client.close()

    assert 40 * 100 < count.redis_bytes < 40 * 8000
    assert count.size_bytes > 40 * 5000


def test_a_prefix_is_a_text_like_others(store, clock, client, new_tier):
    """An installation that is called `a*` does not count its neighbour `ab`."""
    client.set("ab:users:u1:me:x", b"")
    worker = make_engine(store, clock, new_tier(client), key_prefix="a*")

    assert _all(Inspector(worker)) == []
    assert Inspector(worker).counts() == {}


def test_a_cleared_namespaces_bytes_come_back(worker, client):
    """In the background, and only its own."""
    for owner in ("u1", "u2"):
        worker.read(make_call(owner=owner))
    client.mset({"t:models::list:x": b"kept", "t:users2:u1:me:x": b"kept"})

    Inspector(worker).reclaim("users")
    wait_until(lambda: not _all(Inspector(worker)))
    wait_until(lambda: not any(each.name == "cache-reclaim" for each in threading.enumerate()))

    assert (len(worker.memory), worker.memory.size_bytes) == (0, 0)
    assert sorted(client.keys()) == [b"t:models::list:x", b"t:users2:u1:me:x"]


def test_reclaiming_ends_where_redis_does(shared, server):
    """Redis going away under it opens the circuit; nothing else happens."""
    before = set(threading.enumerate())
    shared.read(make_call())

    server.connected = False
    Inspector(shared).reclaim("users")
    for thread in set(threading.enumerate()) - before:
        if thread.name == "cache-reclaim":
            thread.join(10)

    assert not shared.redis.is_up


def test_while_redis_is_away_memory_is_what_is_seen(shared, server):
    """Each worker's own."""
    shared.read(make_call())
    server.connected = False
    shared.read(make_call(owner="u2"))

    found = Inspector(shared)

    assert _all(found) == [_key("u1"), _key("u2")]
    assert found.count("users").entries == 2
    assert (found.entry(_key("u1")) or (None, ""))[1] == "memory"
