"""TLS, Sentinel and Cluster by the URL alone: found, failed over, and never a replica asked."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cache.backends.redis import RedisTier
from cache.connection import Connection
from cache.settings import CacheSettings
from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.protocol import OutOfReach, Writing
from streams.logs.redis import RedisLogs
from telemetry.clock import SYSTEM_CLOCK
from tests.doubles.certificates import Authority
from tests.doubles.redis_process import RedisProcess, free_port
from tests.doubles.redis_topologies import RedisCluster, SentinelGroup, commands_asked
from tests.streams.scripts import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("redis-topologies")]

RETURN_S = 40
KEYS = [f"key-{number}" for number in range(30)]

NewTier = Callable[[str], RedisTier]


@pytest.fixture
def new_tier() -> Iterator[NewTier]:
    """Makes workers' tiers of a URL, which probe soon."""
    made: list[RedisTier] = []

    def make(url: str) -> RedisTier:
        settings = CacheSettings(
            redis_url=url, key_prefix="t", probe_s=0.1, timeout_s=1.0, connect_timeout_s=1.0
        )
        made.append(
            RedisTier(
                Connection(settings),
                settings=settings,
                clock=SYSTEM_CLOCK,
                on_error=lambda *_: None,
                on_back=lambda: None,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.stop()


def _works(tier: RedisTier) -> bool:
    return all(tier.set(key, b"v", 60) and tier.get(key) == b"v" for key in KEYS)


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the server's certificate is from."""
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module", params=["no", "yes"], ids=["tls", "mutual-tls"])
def tls_port(request: pytest.FixtureRequest, authority: Authority) -> Iterator[int]:
    """A server that speaks TLS alone; the second wants its clients' certificates too."""
    port, server = free_port(), authority.issue(f"server-{request.param}")
    process = RedisProcess(
        *("--tls-port", str(port), "--tls-ca-cert-file", str(authority.certificate)),
        *("--tls-cert-file", str(server.certificate), "--tls-key-file", str(server.key)),
        *("--tls-auth-clients", request.param),
    ).start()
    yield port
    process.kill()


def _tls_url(port: int, ca: Path, **files: Path) -> str:
    options = "".join(f"&{name}={path}" for name, path in files.items())
    return f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca}{options}"


def test_tls_is_spoken_by_the_url_alone(tls_port, authority, new_tier):
    """With the authority's certificate, and one of our own for a server that asks for it."""
    own = authority.issue("worker")
    url = _tls_url(
        tls_port, authority.certificate, ssl_certfile=own.certificate, ssl_keyfile=own.key
    )

    tier = new_tier(url)

    assert _works(tier)
    assert tier.outages == ()


def test_a_server_that_others_vouch_for_is_refused(tls_port, tmp_path, new_tier):
    """Whoever stands between us and Redis has a certificate too; the word says what is wrong."""
    strangers = Authority(tmp_path, "strangers")
    tier = new_tier(_tls_url(tls_port, strangers.certificate))

    assert tier.get("k") is None
    assert [each.reason for each in tier.outages] == ["CertificateRefused"]
    assert "CERTIFICATE_VERIFY_FAILED" in tier.outages[0].detail


def test_a_plain_client_of_a_tls_server_is_told_away(tls_port, new_tier):
    """A URL with an `s` too few is an outage, and no request fails for it."""
    tier = new_tier(f"redis://127.0.0.1:{tls_port}/0")

    assert tier.get("k") is None
    assert not tier.is_up


# Sentinel


@pytest.fixture
def group(tmp_path: Path) -> Iterator[SentinelGroup]:
    """A primary, a replica, three Sentinels."""
    made = SentinelGroup(tmp_path)
    try:
        yield made.start()
    finally:
        made.kill()


def test_a_failover_is_followed(group, new_tier):
    """The primary dies, the replica is made primary, and workers find it by themselves."""
    tier = new_tier(group.url)
    logs = RedisLogs(
        tier.client, limits=StreamLimits(heartbeat_s=5), prefix="t", on_fault=tier.report
    )
    worked_before = _works(tier)
    asked = commands_asked(group.replica).get("get", 0)

    group.primary.kill()
    answers = [tier.get(key) for key in KEYS]
    wait_until(lambda: tier.is_up and _works(tier), within_s=RETURN_S)
    written = logs.write("w", [Writing("s", [Event(0, "start", b"{}")], refresh=True)])

    assert worked_before
    assert asked == 0, "the replica was read from"
    assert answers == [None] * len(KEYS)
    assert [each.ok for each in written.replies] == [True]
    assert tier.client().info("server")["tcp_port"] == group.replica.port
    assert all(each.ended_at is not None for each in tier.outages)


# Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """Three primaries with a replica each."""
    made = RedisCluster(tmp_path)
    try:
        yield made.start()
    finally:
        made.kill()


def test_a_cluster_that_loses_a_primary_comes_back_whole(cluster, new_tier):
    """Its replica takes over; until then Redis is done without, whichever key is asked for."""
    tier = new_tier(cluster.url)
    worked_before = _works(tier)

    cluster.nodes[0].signal(signal.SIGSTOP)
    answers = [tier.get(key) for key in KEYS]
    wait_until(lambda: tier.is_up and _works(tier), within_s=RETURN_S)

    assert worked_before
    assert None in answers
    assert tier.circuit.opened_count < 5
    assert all(each.ended_at is not None for each in tier.outages)


@pytest.fixture
def bare_cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """Three primaries that nobody stands in for, and that go on with what is left of them."""
    made = RedisCluster(tmp_path, "--cluster-require-full-coverage", "no", replicas=False)
    try:
        yield made.start()
    finally:
        made.kill()


def test_a_cluster_with_a_hole_is_an_outage(bare_cluster, new_tier):
    """A third of the keys would fail, again and again: the circuit stays open until it is whole."""
    tier = new_tier(bare_cluster.url)
    logs = RedisLogs(
        tier.client, limits=StreamLimits(heartbeat_s=5), prefix="t", on_fault=tier.report
    )
    worked_before = _works(tier)

    bare_cluster.nodes[0].kill()
    with pytest.raises(OutOfReach):
        logs.fetch([(f"stream-{number}", -1) for number in range(12)])
    noticed = not tier.is_up
    probes_failed = tier.circuit.try_now()
    bare_cluster.nodes[0].start()
    wait_until(lambda: tier.is_up and _works(tier), within_s=RETURN_S)

    assert worked_before
    assert noticed, "what streams find out, the cache knows"
    assert not probes_failed
    assert tier.circuit.opened_count == 1
