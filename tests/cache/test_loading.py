"""Loading: once for all workers, bounded for each reader, and never failing for want of a turn."""

import threading

import fakeredis
import pytest

from cache.file_locks import FileLocks
from cache.freshness import Leeway
from cache.loading import LoaderTimeout
from cache.results import ReadPolicy, reading
from telemetry.clock import SYSTEM_CLOCK
from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine, misses
from tests.streams.scripts import wait_until

LIMIT_S = 10


class Load:
    """A load that takes until the test lets it end."""

    def __init__(self) -> None:
        self.count = 0
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        """The value."""
        self.count += 1
        self.began.set()
        assert self.may_end.wait(LIMIT_S)
        return "loaded"


class OneLock:
    """Locks that are one for all names, as two names may share a file; counts refusals."""

    def __init__(self) -> None:
        self.is_held = False
        self.refused = 0

    def try_hold(self, _):
        """Hold it if it is free."""
        self.refused += self.is_held
        if self.is_held:
            return None
        self.is_held = True
        return self

    def left(self):
        """Nothing."""

    def leave(self, raw):
        """Nowhere."""

    def release(self):
        """Let it go."""
        self.is_held = False

    def close(self):
        """End nothing."""


class FullDisk(OneLock):
    """A lock in a file that can be locked, and neither read nor written."""

    def left(self):
        """Fail."""
        raise OSError("input/output error")

    def leave(self, raw):
        """Fail."""
        del raw
        raise OSError("no space left on device")


class Reader:
    """A read on a thread of its own."""

    def __init__(self, worker, call) -> None:
        self.values: list[object] = []
        self._thread = threading.Thread(target=lambda: self.values.append(worker.read(call).value))
        self._thread.start()

    def value(self) -> object:
        """What came, at its end."""
        self._thread.join(LIMIT_S)
        return self.values[0]


@pytest.fixture(params=["redis", "files"])
def new_worker(request, store, server, new_tier, tmp_path):
    """Makes workers that share a Redis, or a folder of locks."""

    def make(**changes):
        tier = None
        if request.param == "redis":
            tier = new_tier(fakeredis.FakeRedis(server=server))
        return make_engine(store, SYSTEM_CLOCK, tier, locks=[FileLocks(tmp_path)], **changes)

    return make


@pytest.fixture
def load():
    """A load under way, which ends with the test."""
    load = Load()
    yield load
    load.may_end.set()


def _coalesced(worker) -> float:
    return float(worker.statistics.snapshot().get("coalesced|users", 0))


def test_a_worker_waits_for_anothers_load(new_worker, load):
    """And serves it: the database is asked once."""
    one, other = new_worker(), new_worker()
    first = Reader(one, make_call(load))
    assert load.began.wait(LIMIT_S)
    second = Reader(other, make_call(Answers("loaded twice")))
    wait_until(lambda: misses(other) == {"absent": 1})
    threading.Event().wait(0.05)  # a load that is handed over has taken a moment

    load.may_end.set()

    assert (first.value(), second.value()) == ("loaded", "loaded")
    assert (_coalesced(one), _coalesced(other)) == (0, 1)


def test_a_worker_that_waited_long_loads_for_itself(new_worker, load):
    """A turn saves loads, it costs no answer."""
    one, other = new_worker(), new_worker(wait_s=0.1)
    Reader(one, make_call(load))
    assert load.began.wait(LIMIT_S)

    assert other.read(make_call(Answers("own"))).value == "own"


def test_a_worker_that_saw_newer_generations_does_not_wait(new_worker, load, store):
    """The load under way is older than its read."""
    one, other = new_worker(), new_worker(wait_s=LIMIT_S)
    older = Reader(one, make_call(load))
    assert load.began.wait(LIMIT_S)
    store.bump(["users:u1"])

    newer = other.read(make_call(Answers("newer"))).value
    load.may_end.set()

    assert (newer, older.value()) == ("newer", "loaded")


def test_a_load_that_fails_lets_the_next_one(new_worker):
    """At once: its turn is given back."""
    one, other = new_worker(), new_worker(wait_s=LIMIT_S)

    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        one.read(make_call(fail))

    assert other.read(make_call(Answers("loaded"))).value == "loaded"


def test_a_request_for_something_new_is_not_given_what_is_there(new_worker):
    """`Cache-Control: no-cache`: neither its own entry nor one that another worker had."""
    one, other = new_worker(), new_worker()
    one.read(make_call(Answers("old")))

    with reading(ReadPolicy.REFRESH):
        found = other.read(make_call(Answers("new"))).value

    assert found == "new"


def test_a_load_has_a_limit_where_its_resource_says_so(new_worker, load):
    """Its reader learns that it took too long; what comes of it later is kept."""
    worker = new_worker()
    call = make_call(load, leeway=Leeway(hard_s=0.05))

    with pytest.raises(LoaderTimeout, match=r"users\.me did not load within 0\.05 s"):
        worker.read(call)
    load.may_end.set()
    wait_until(lambda: worker.find(call.key, "1", None).entry is not None)

    assert worker.read(call).value == "loaded"
    assert load.count == 1


def test_a_load_within_its_limit_is_as_any_other(new_worker):
    """Its faults too."""
    leeway = Leeway(hard_s=LIMIT_S)

    def fail() -> None:
        raise LookupError("gone")

    worker = new_worker()

    assert worker.read(make_call(Answers("loaded"), leeway=leeway)).value == "loaded"
    with pytest.raises(LookupError):
        worker.read(make_call(fail, owner="u2", leeway=leeway))


@pytest.mark.parametrize("hard_s", [None, LIMIT_S])
def test_a_load_within_a_load_does_not_wait_for_its_own_lock(store, clock, hard_s):
    """A page of messages reads its conversation: if both names share a file, it would wait."""
    lock = OneLock()
    worker = make_engine(store, clock, locks=[lock])

    def load() -> object:
        return worker.read(make_call(Answers("inner"), owner="u2")).value

    found = worker.read(make_call(load, leeway=Leeway(hard_s=hard_s)))

    assert (found.value, lock.refused, lock.is_held) == ("inner", 0, False)


def test_a_quick_load_is_not_handed_over(store, tmp_path):
    """It is sooner done again than written to a file and read from it."""
    worker = make_engine(store, SYSTEM_CLOCK, locks=[FileLocks(tmp_path)])
    worker.read(make_call(Answers("quick")))

    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b""]


def test_a_load_that_cannot_be_handed_over_is_served(store, logged):
    """It was for others; the next one loads too."""
    lock = FullDisk()
    worker = make_engine(store, SYSTEM_CLOCK, locks=[lock])

    found = worker.read(make_call(lambda: threading.Event().wait(0.02) or "loaded"))

    assert (found.value, lock.is_held) == ("loaded", False)
    told = [each for each in logged() if each["event"].startswith("load_")]
    assert [(each["event"], each["reason"]) for each in told] == [
        ("load_not_taken_over", "input/output error"),
        ("load_not_handed_over", "no space left on device"),
    ]


def test_what_is_handed_over_is_signed(store, tmp_path):
    """A file is a place as any other: who can write there cannot make readers believe it."""
    workers = [
        make_engine(store, SYSTEM_CLOCK, locks=[FileLocks(tmp_path)], signing_keys=(key,))
        for key in (b"one", b"other")
    ]
    workers[0].read(make_call(lambda: threading.Event().wait(0.02) or "theirs"))
    (file,) = tmp_path.iterdir()
    assert b"theirs" in file.read_bytes()

    assert workers[1].read(make_call(Answers("own"))).value == "own"
