"""Logs in Redis: positions, signs of life, requests, and whatever bytes may stand there."""

import pytest
from redis.exceptions import RedisClusterException

from streams.events import Event
from streams.limits import StreamLimits
from streams.logs.protocol import Fetched, OutOfReach, Writing
from streams.logs.redis import RedisLogs

LIMITS = StreamLimits(heartbeat_s=5, log_ttl_s=60)


def events(first: int, last: int, *, terminal: bool = False) -> list[Event]:
    """Events of these ids."""
    return [
        Event(n, "delta", b"%d" % n, terminal=terminal and n == last)
        for n in range(first, last + 1)
    ]


@pytest.fixture
def client(new_client):
    """A worker's connection."""
    return new_client()


@pytest.fixture
def logs(client):
    """The logs that go through it."""
    return RedisLogs(lambda: client, limits=LIMITS, prefix="larder")


def fetch(logs: RedisLogs, stream_id: str = "s", after: int = -1) -> Fetched:
    """How one stream stands."""
    (fetched,) = logs.fetch([(stream_id, after)])
    return fetched


@pytest.mark.parametrize("after", range(-1, 7))
def test_any_position_is_a_place_to_go_on_from(logs, after):
    """Positions do not know how the events were cut into rounds."""
    logs.write("w", [Writing("s", events(0, 2), refresh=True)])
    logs.write("w", [Writing("s", events(3, 3)), Writing("other", events(0, 4))])
    logs.write("w", [Writing("s", events(4, 6, terminal=True), closes=True)])

    assert list(fetch(logs, after=after).events) == events(after + 1, 6, terminal=True)


def test_a_running_stream_shows_its_worker(logs):
    """That is the sign of life; it ends with the stream."""
    logs.write("worker-1", [Writing("s", events(0, 0), refresh=True)])
    assert fetch(logs).owner == "worker-1"

    logs.write("worker-1", [Writing("s", events(1, 1, terminal=True), closes=True)])

    assert fetch(logs).owner is None


def test_everything_expires(logs, client):
    """A worker that dies leaves nothing behind for ever."""
    logs.write("w", [Writing("s", events(0, 0), refresh=True)])
    logs.request_stop("s")
    logs.declare_lost("s")

    lives = {key: client.pttl(key) for key in client.scan_iter()}

    assert len(lives) == 4
    assert all(life > 0 for life in lives.values())


def test_an_ended_log_is_kept_for_its_time(logs, client):
    """Late resumes work from any worker."""
    logs.write("w", [Writing("s", events(0, 0, terminal=True), closes=True)])

    assert 55_000 < client.pttl("larder:stream:{s}:log") <= 60_000


def test_a_look_tells_how_many_rounds_arrived(logs):
    """Fewer than were sent means that Redis has forgotten some."""
    logs.write("w", [Writing("s", events(0, 0))])

    written = logs.write("w", [Writing("s", events(1, 1), refresh=True)])

    assert written.replies[0].entries == 2
    assert not written.replies[0].lost


def test_writing_afresh_replaces_the_log(logs):
    """What is doubted is not built upon."""
    logs.write("w", [Writing("s", events(0, 5))])

    logs.write("w", [Writing("s", events(0, 1), afresh=True)])

    assert list(fetch(logs).events) == events(0, 1)


def test_a_write_that_does_not_follow_is_refused(logs):
    """A log never goes back, and the neighbours in the round are not harmed."""
    logs.write("w", [Writing("s", events(0, 5))])

    written = logs.write("w", [Writing("s", events(2, 3)), Writing("t", events(0, 0))])

    assert [reply.ok for reply in written.replies] == [False, True]


def test_a_request_to_stop_reaches_the_worker_once(logs):
    """By the worker's own list, so idle workers ask for little."""
    logs.write("worker-1", [Writing("s", [], refresh=True)])

    logs.request_stop("s")

    assert list(logs.write("worker-2", []).stops) == []
    assert list(logs.write("worker-1", []).stops) == ["s"]
    assert list(logs.write("worker-1", []).stops) == []


def test_nobody_is_asked_to_stop_what_nobody_runs(logs, client):
    """There is no worker whose list it could stand in."""
    logs.request_stop("unknown")

    assert list(client.scan_iter()) == []


def test_a_loss_is_known_to_all(logs):
    """To the producer too, should it live."""
    logs.write("w", [Writing("s", events(0, 3), refresh=True)])

    logs.declare_lost("s")
    logs.mark_end("s", 4)

    fetched = fetch(logs)
    assert (fetched.lost, fetched.ends) == (True, {4})
    assert logs.write("w", [Writing("s", [], refresh=True)]).replies[0].lost


def test_a_long_log_comes_in_pages(logs):
    """One answer of Redis stays bounded."""
    for number in range(300):
        logs.write("w", [Writing("s", events(number, number))])

    first = fetch(logs)
    second = fetch(logs, after=first.events[-1].id)

    assert (first.more, second.more) == (True, False)
    assert [*first.events, *second.events] == events(0, 299)


@pytest.mark.parametrize(
    "fields",
    [
        {"x": "y"},
        {"e": b"\xff\xff", "t": b"1"},
        {"e": b"\x93\x01\x02\x03", "t": b"0"},
        {"e": b"", "t": b"0"},
    ],
)
def test_foreign_bytes_are_damage_not_a_fault(logs, client, fields):
    """Whatever stands in Redis must not bring a worker down."""
    client.xadd("larder:stream:{s}:log", fields, id="0-1")
    logs.write("w", [Writing("t", events(0, 0))])

    damaged, healthy = logs.fetch([("s", -1), ("t", -1)])

    assert damaged.damaged
    assert list(healthy.events) == events(0, 0)


def test_a_key_of_another_type_is_damage_too(logs, client):
    """And harms that stream alone."""
    client.set("larder:stream:{s}:log", "text")

    damaged, unknown = logs.fetch([("s", -1), ("t", -1)])

    assert damaged.damaged
    assert not unknown.damaged


def test_without_a_client_everything_is_out_of_reach():
    """The circuit is open: nothing is tried."""
    logs = RedisLogs(lambda: None, limits=LIMITS, prefix="larder")

    with pytest.raises(OutOfReach):
        logs.write("w", [])
    with pytest.raises(OutOfReach):
        fetch(logs)
    with pytest.raises(OutOfReach):
        logs.request_stop("s")


def test_a_cluster_without_a_node_is_out_of_reach():
    """Its client's error is of no kind that other Redis clients raise."""

    def client():
        raise RedisClusterException("no node can be reached")

    with pytest.raises(OutOfReach):
        fetch(RedisLogs(client, limits=LIMITS, prefix="larder"))
