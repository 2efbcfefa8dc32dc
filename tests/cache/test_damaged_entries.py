"""Whatever stands in Redis is at worst a miss: nothing foreign, damaged or old is served."""

import fakeredis
import pytest

from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine

STORED = f"t:{make_call().key}"


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the engine."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def new_worker(store, clock, server, new_tier):
    """Makes workers that share it, and have no memory in front."""

    def make(**changes):
        tier = new_tier(fakeredis.FakeRedis(server=server))
        return make_engine(store, clock, tier, memory_first=False, **changes)

    return make


def _damaged(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"foreign bytes, of whatever length they may be",
        lambda _: b"\x80\x04\x95pickle",
        lambda raw: raw[:-3],
        _damaged,
        lambda raw: raw + b"\x00",
    ],
    ids=["empty", "foreign", "pickle", "cut", "damaged", "longer"],
)
def test_damaged_bytes_are_a_miss(new_worker, client, damage):
    """Counted by its reason, loaded anew, and replaced by what is sound."""
    worker = new_worker()
    worker.read(make_call())
    client.set(STORED, damage(client.get(STORED)))

    result = worker.read(make_call(Answers("sound")))

    assert (result.value, result.detail) == ("sound", "signature")
    assert worker.read(make_call()).detail == "redis"


def test_another_users_entry_is_never_served(new_worker, client):
    """Even where somebody has put it under this user's key, bytes and all."""
    worker = new_worker()
    worker.read(make_call(Answers("secret"), owner="u2"))
    client.set(STORED, client.get(f"t:{make_call(owner='u2').key}"))

    result = worker.read(make_call(Answers("own")))

    assert (result.value, result.detail) == ("own", "signature")


def test_a_replayed_entry_is_a_miss(new_worker, client, store):
    """An authentic entry of before the write has the stamp of before it."""
    worker = new_worker()
    worker.read(make_call(Answers("old")))
    replayed = client.get(STORED)
    store.bump(["users:u1"])
    worker.read(make_call(Answers("new")))

    client.set(STORED, replayed)

    assert worker.read(make_call(Answers("new"))).detail == "stamp"


def test_another_installations_entries_are_not_read(new_worker, client):
    """By prefix they do not meet; where they do, by signature."""
    ours, theirs = new_worker(), new_worker(signing_keys=(b"another key",))
    apart = new_worker(key_prefix="other")
    theirs.read(make_call(Answers("theirs")))

    assert apart.read(make_call()).detail == "absent"
    assert ours.read(make_call()).detail == "signature"
