"""A Cluster is all of its primaries: probed, walked, and used by streams and gates alike."""

from collections.abc import Iterator

import fakeredis
import pytest
from redis.exceptions import ClusterDownError

from cache.backends.redis import RedisTier
from cache.cluster import SCAN_STEP, probe_keys, scan_step
from cache.connection import Connection
from cache.gates import Gates
from cache.settings import CacheSettings
from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.protocol import Writing
from streams.logs.redis import RedisLogs
from telemetry.clock import SYSTEM_CLOCK
from tests.doubles.redis_topologies import RedisCluster, commands_asked

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis-cluster")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Six nodes that nobody harms."""
    made = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def tier(cluster: RedisCluster) -> Iterator[RedisTier]:
    """A worker's, found by the URL alone."""
    settings = CacheSettings(redis_url=cluster.url, key_prefix="t", timeout_s=2.0)
    made = RedisTier(
        Connection(settings),
        settings=settings,
        clock=SYSTEM_CLOCK,
        on_error=lambda *_: None,
        on_back=lambda: None,
    )
    yield made
    made.stop()


@pytest.fixture
def client(tier):
    """What the tier speaks through."""
    return tier.client()


def _walk(client, pattern: str) -> tuple[list[bytes], int]:
    """All keys found, and in how many steps."""
    cursor, found, steps = 0, list[bytes](), 0
    while steps == 0 or cursor:
        cursor, more = scan_step(client, pattern, cursor)
        found += more
        steps += 1
    return found, steps


def test_every_primary_is_probed(client, cluster):
    """One that is away keeps the circuit open; the others would answer for it."""
    keys = probe_keys(client, "t:probe")

    nodes = {client.get_node_from_key(key).port for key in keys}
    assert len(keys) == 3
    assert nodes == {each.port for each in cluster.nodes[:3]}


def test_one_server_has_one_key():
    """Nothing is looked up for it."""
    assert probe_keys(fakeredis.FakeRedis(), "t:probe") == ["t:probe"]


def test_slots_that_are_nobodys_are_an_outage(client):
    """Part of the keys could be asked for, and none of the rest."""
    slots = client.nodes_manager.slots_cache
    taken = {slot: slots.pop(slot) for slot in range(100)}

    with pytest.raises(ClusterDownError, match="100 slots"):
        probe_keys(client, "t:probe")

    slots.update(taken)


def test_all_nodes_are_walked(tier, client):
    """In bounded steps; a key is found wherever it lives."""
    count = SCAN_STEP * 4
    pipeline = client.pipeline()
    for number in range(count):
        pipeline.set(f"walk:{number}", b"v", px=60_000)
    pipeline.execute()

    found, steps = _walk(client, "walk:*")

    assert set(found) == {b"walk:%d" % number for number in range(count)}
    assert steps > 3


def test_replicas_are_never_asked(tier, cluster):
    """They lag behind; what a worker has dropped would come back from them."""
    for number in range(50):
        tier.set(f"asked:{number}", b"v", 60)
        tier.get(f"asked:{number}")

    asked = [commands_asked(each).get("get", 0) for each in cluster.nodes]
    assert sum(asked[:3]) >= 50
    assert asked[3:] == [0, 0, 0]


def test_gates_are_shared(tier):
    """Their script names one key, so any node can run it."""
    one, two = (Gates(redis=tier, clock=SYSTEM_CLOCK, prefix="t") for _ in range(2))

    passages = [each.enter(f"gate-{number}", 2) for number in range(10) for each in (one, two, one)]

    assert [each.wait_s == 0 for each in passages] == [True, True, False] * 10


def test_streams_are_shared(tier):
    """Their rounds write to several nodes at once."""
    logs = RedisLogs(tier.client, limits=StreamLimits(heartbeat_s=5), prefix="t")
    events = [Event(0, "delta", b"{}"), Event(1, "done", b"{}", terminal=True)]
    names = [f"stream-{number}" for number in range(12)]

    written = logs.write("w", [Writing(each, events, refresh=True) for each in names])
    fetched = logs.fetch([(each, -1) for each in names])

    assert [reply.ok for reply in written.replies] == [True] * 12
    assert [list(each.events) for each in fetched] == [events] * 12
    logs.request_stop("stream-3")
    assert logs.write("w", []).stops == ["stream-3"]
