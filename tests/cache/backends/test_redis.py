"""The Redis tier: bytes under keys, and no failure ever reaches who asked."""

import signal
from collections.abc import Callable
from contextlib import closing
from typing import Any

import fakeredis
import pytest
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,  # noqa: A004 (redis-py's own name)
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 (redis-py's own name)
)

from cache.backends.redis import RedisTier
from tests.doubles.redis_process import RedisProcess, patient_client, strict_client
from tests.doubles.redis_tier import OUTAGES, REFUSALS, FailingClient, OneClient
from tests.streams.scripts import wait_until

VERBS: dict[str, tuple[Callable[[RedisTier], Any], Any]] = {
    "get": (lambda tier: tier.get("k"), None),
    "set": (lambda tier: tier.set("k", b"v", 60), False),
    "add": (lambda tier: tier.add("k", b"v", 60), False),
    "delete": (lambda tier: tier.delete("k"), None),
    "ttl_s": (lambda tier: tier.ttl_s("k"), None),
    "run": (lambda tier: tier.run("return 1", "k"), None),
    "info": (lambda tier: tier.info("memory"), {}),
    "scan": (lambda tier: tier.scan("*", 0), (0, [])),
}
WITHOUT_KEY = ("info", "scan")


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the tier."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def tier(new_tier, server):
    """A tier over it."""
    return new_tier(fakeredis.FakeRedis(server=server))


def test_bytes_come_back(tier):
    """As they went in, whatever they are."""
    assert tier.set("k", b"\x00\xff", 60)

    assert (tier.get("k"), tier.get("other")) == (b"\x00\xff", None)


def test_everything_expires(tier, client):
    """To the millisecond; a time below one still ends."""
    tier.set("k", b"v", 1.5)
    kept = tier.set("short", b"v", 0.0001)

    assert 1000 < client.pttl("k") <= 1500
    assert tier.ttl_s("k") == pytest.approx(1.5, abs=0.4)
    assert kept
    assert client.pttl("short") <= 1


def test_what_is_not_there_has_no_time_left(tier, client):
    """Nor has what somebody else left there for ever."""
    client.set("forever", b"v")

    assert (tier.ttl_s("none"), tier.ttl_s("forever")) == (None, None)


def test_adding_does_not_replace(tier, client):
    """In one step, so that two workers cannot both have added; and it ends."""
    assert [tier.add("k", b"a", 60), tier.add("k", b"b", 60)] == [True, False]
    assert tier.get("k") == b"a"
    assert 0 < client.pttl("k") <= 60_000


def test_deleting_says_whether_there_was_one(tier):
    """`None` is kept for a Redis that could not be told."""
    tier.set("k", b"v", 60)

    assert (tier.delete("k"), tier.delete("k")) == (True, False)


def test_all_keys_of_a_pattern_are_found(tier):
    """In bounded steps, each once at least."""
    for number in range(30):
        tier.set(f"t:{number}", b"v", 60)
    tier.set("other", b"v", 60)

    found, cursor = set(), None
    while cursor != 0:
        cursor, keys = tier.scan("t:*", cursor or 0)
        found.update(keys)

    assert found == {f"t:{number}".encode() for number in range(30)}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("fault", "word"),
    (OUTAGES | REFUSALS).items(),
    ids=(OUTAGES | REFUSALS).values(),
)
def test_a_failure_is_an_answer(new_tier, verb, fault, word):
    """Each verb says what it is to those who ask; the kind of failure is counted, at its key."""
    call, away = VERBS[verb]
    errors: list[tuple[str, str]] = []
    tier = new_tier(FailingClient(fault), on_error=lambda *told: errors.append(told))

    assert call(tier) == away
    is_untold = verb == "info" and fault in REFUSALS and isinstance(fault, ResponseError)
    assert errors == ([] if is_untold else [(word, "" if verb in WITHOUT_KEY else "k")])


class Babbling:
    """A client to which a server answers each command with the same."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return lambda *_, **__: self._answer


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("get", 5),
        ("get", [b"x"]),
        ("delete", b"hello"),
        ("ttl_s", b"hello"),
        ("run", b"hello"),
        ("run", [b"x"]),
        ("scan", 5),
        ("scan", (0, 5)),
    ],
)
def test_an_answer_to_another_command_is_none(new_tier, verb, answer):
    """What stands between us and Redis may mix them up: it is done without."""
    call, away = VERBS[verb]
    tier = new_tier(Babbling(answer))

    assert call(tier) == away
    assert [each.reason for each in tier.outages] == ["InvalidResponse"]
    assert not tier.is_up


@pytest.mark.server
def test_a_key_that_is_no_text_is_its_callers_fault(redis_process, new_tier):
    """It is no outage: all others would have to do without Redis for it."""
    with closing(patient_client(redis_process.port)) as client:
        tier = new_tier(client)

        for verb in ("get", "delete"):
            with pytest.raises(UnicodeEncodeError):
                getattr(tier, verb)("half a character: \ud800")

    assert tier.is_up
    assert tier.outages == ()


@pytest.mark.parametrize(
    ("fault", "opens"),
    [*((fault, True) for fault in OUTAGES), *((fault, False) for fault in REFUSALS)],
    ids=lambda value: type(value).__name__,
)
def test_what_opens_the_circuit(new_tier, fault, opens):
    """A server that cannot be used at all; one refused command is no reason."""
    client = FailingClient(fault)
    tier = new_tier(client)

    tier.get("k")
    tier.get("k")

    assert (not tier.is_up, client.calls) == (opens, 1 if opens else 2)


@pytest.mark.parametrize("verb", VERBS)
def test_an_open_circuit_costs_no_socket(new_tier, verb):
    """Not one call goes out until a probe has succeeded."""
    call, away = VERBS[verb]
    client = FailingClient(ConnectionError("refused"))
    tier = new_tier(client)
    tier.circuit.fail(ConnectionError("refused"))

    assert call(tier) == away
    assert (client.calls, tier.client()) == (0, None)


@pytest.mark.parametrize(
    ("fault", "resets"),
    [(ReadOnlyError("a replica"), 1), (ClusterDownError("moved"), 1), (TimeoutError("slow"), 0)],
    ids=lambda value: type(value).__name__,
)
def test_a_server_that_lost_its_part_is_looked_up_anew(new_tier, fault, resets):
    """After a failover the old connections lead to the wrong server."""
    connection = OneClient(FailingClient(fault))

    new_tier(connection).get("k")

    assert connection.resets == resets


def test_redis_coming_back_closes_the_circuit(new_tier, server, clock):
    """Without a restart; who wants to know is told once."""
    back: list[bool] = []
    server.connected = False
    tier = new_tier(
        fakeredis.FakeRedis(server=server), pause_s=0.001, on_back=lambda: back.append(True)
    )
    assert tier.get("k") is None
    assert not tier.is_up

    server.connected = True
    wait_until(lambda: tier.is_up and bool(back))

    assert tier.set("k", b"v", 60)
    assert back == [True]


@pytest.mark.parametrize("fault", [ReadOnlyError("a replica"), NoPermissionError("no SET for you")])
def test_a_server_that_takes_no_writes_is_still_away(new_tier, fault):
    """A replica answers a PING, but nothing can be kept there."""

    class Unwritable(fakeredis.FakeRedis):
        def set(self, *_, **__):
            raise fault

    tier = new_tier(Unwritable(server=fakeredis.FakeServer()))

    assert not tier.circuit.try_now()


def test_a_server_that_is_full_is_not_away(new_tier):
    """Neither at a start nor after an outage: it is used for what it holds, and told of."""

    class Full(fakeredis.FakeRedis):
        def set(self, *_, **__):
            raise OutOfMemoryError("command not allowed")

    tier = new_tier(Full(server=fakeredis.FakeServer()))
    is_up_at_start = tier.circuit.try_now()
    tier.circuit.fail(ConnectionError("gone for a moment"))

    assert is_up_at_start
    assert tier.circuit.try_now()
    assert tier.is_up
    assert {each.reason for each in tier.outages} == {"OutOfMemoryError", "ConnectionError"}


def test_stopping_closes_the_connections(new_tier):
    """And ends the probing."""
    connection = OneClient(FailingClient(ConnectionError("refused")))
    tier = new_tier(connection)

    tier.stop()
    tier.get("k")

    assert connection.resets == 1
    assert tier.is_up, "a failure after the end would start new probing"


@pytest.mark.server
def test_a_frozen_server_costs_one_time_out(new_tier, clock):
    """A real one, stopped in its tracks: the first call waits, all others do not."""
    process = RedisProcess().start()
    errors: list[str] = []
    tier = new_tier(
        strict_client(process.port), pause_s=0.01, on_error=lambda kind, _: errors.append(kind)
    )
    tier.set("k", b"v", 60)

    process.signal(signal.SIGSTOP)
    answers = [tier.get("k") for _ in range(20)]
    process.signal(signal.SIGCONT)
    wait_until(lambda: tier.is_up)

    assert answers == [None] * 20
    assert errors == ["TimeoutError"]
    assert tier.get("k") == b"v"
    process.kill()


@pytest.mark.server
def test_a_server_at_its_limit_is_passed_over(new_tier):
    """Writes are refused, reads go on, the circuit stays closed."""
    process = RedisProcess("--maxmemory", "1mb", "--maxmemory-policy", "noeviction").start()
    errors: list[str] = []
    tier = new_tier(strict_client(process.port), on_error=lambda kind, _: errors.append(kind))

    kept = tier.set("k", b"v" * 2_000_000, 60)
    refused = tier.set("more", b"v", 60)

    assert (kept and refused, tier.is_up) == (False, True)
    assert errors
    process.kill()


def test_a_clusters_figures_are_one_nodes(new_tier):
    """A Cluster answers INFO by node."""

    class Nodes:
        def info(self, _):
            return {"127.0.0.1:1": {"maxmemory": 5}, "127.0.0.1:2": {"maxmemory": 6}}

    tier = new_tier(Nodes())

    assert tier.info("memory") == {"maxmemory": 5}
