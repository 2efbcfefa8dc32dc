"""Whatever stands in Redis, by accident or by intent, costs one counted miss and nothing else.

The engine's reads against bytes that hypothesis makes up: over a faked Redis at length, and once
over a real server. Some of them bear a right signature, as an older version, or a thief of the key,
could give them.
"""

import hmac
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakeredis
import msgspec
import pytest
from backports import zstd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cache.entries import FAMILY, MAGIC, TAG_BYTES
from tests.cache.suite import Answers
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_process import patient_client
from tests.doubles.redis_tier import make_tier
from tests.factories.caches import SIGNING, make_call, make_engine, misses

KEY = make_call().key
STORED = f"t:{KEY}"
ENTRY_BYTES = 4096
ROOT = Path(__file__).parents[2]
REASONS = {"signature", "schema", "stamp", "expired"}
MANY = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _worker(store, clock, tier, **changes):
    changes = {"memory_first": False, "entry_bytes": ENTRY_BYTES, "compress_bytes": 100, **changes}
    return make_engine(store, clock, tier, **changes)


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the engine."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def worker(store, clock, client, new_tier):
    """A worker that has nothing but Redis to look at."""
    return _worker(store, clock, new_tier(client))


@pytest.fixture(scope="module")
def genuine() -> dict[str, bytes]:
    """Entries as they stand in Redis, of several owners and resources, by their stored keys."""
    client: Any = fakeredis.FakeRedis()
    clock = FakeClock()
    made = _worker(FakeGenerations(), clock, make_tier(client, clock=clock))
    for owner in ("u1", "u2"):
        for resource in ("me", "list"):
            made.read(make_call(Answers(owner * 200), owner=owner, resource=resource))
    return {name.decode(): client.get(name) for name in client.scan_iter()}


def _signed(payload: bytes) -> bytes:
    return MAGIC + hmac.digest(SIGNING[0], payload, "sha256")[:TAG_BYTES] + payload


def _reads_as_a_miss(worker, client, raw: bytes, reasons: set[str] = REASONS) -> None:
    before = misses(worker)
    client.set(STORED, raw)

    result = worker.read(make_call(Answers("sound")))

    counted = {name: n - before.get(name, 0) for name, n in misses(worker).items()}
    assert result.value == "sound"
    assert result.detail in reasons
    assert {name: n for name, n in counted.items() if n} == {result.detail: 1}


@st.composite
def _mutilated(draw, raws: list[bytes]) -> bytes:
    """An entry of this key or of another, bent in one of many ways."""
    raw = bytearray(draw(st.sampled_from(raws)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(raw) - 1)))
        bend = draw(st.sampled_from(["flip", "cut", "insert", "repeat", "zero", "swap"]))
        if bend == "flip" and raw:
            raw[place] ^= 1 << draw(st.integers(0, 7))
        elif bend == "cut":
            del raw[place:]
        elif bend == "insert":
            raw[place:place] = draw(st.binary(min_size=1, max_size=9))
        elif bend == "repeat":
            raw += raw[place:] or b"\0"
        elif bend == "zero":
            raw[place:] = bytes(len(raw) - place) or b"\0"
        else:
            raw = raw[place:] + raw[:place] + b"\0"
    return bytes(raw)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=20)
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=20))
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
STAMPS = st.dictionaries(st.text(max_size=9), st.integers(-(2**63), 2**64 - 1), max_size=4)


@st.composite
def _envelopes(draw) -> bytes:
    """A well-signed envelope with one or two fields that are not what they should be."""
    fields = [0, KEY, "1", draw(STAMPS), 0.0, 4e9, '"e"', False, 0.0, False, b'"forged"']
    for _ in range(draw(st.integers(0, 2))):
        fields[draw(st.integers(0, len(fields) - 1))] = draw(ANYTHING)
    fields = fields[: draw(st.integers(len(fields) - 2, len(fields)))]
    fields += draw(st.lists(ANYTHING, max_size=1))
    return _signed(msgspec.msgpack.encode(fields))


HOSTILE = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\x99\xdb\xff\xff\xff\xff",
    b"\x91" * 200_000,
    b"\x81\xa1k" * 100_000,
    b"\x99" + b"\xc1" * 9,
    b"\xd4\x01\x00",
    b"\xc7\x0c\xff" + b"\xff" * 12,
]
"""Lists, maps, bytes, extensions and texts of four thousand million parts; depths without end."""


@MANY
@given(raw=st.binary(max_size=300))
def test_random_bytes_are_a_miss(worker, client, raw):
    """With our sign in front of them or without."""
    _reads_as_a_miss(worker, client, raw, {"signature"})
    _reads_as_a_miss(worker, client, MAGIC + raw, {"signature"})


@MANY
@given(data=st.data())
def test_bent_entries_are_a_miss(worker, client, genuine, data):
    """Flipped, cut, lengthened, turned round: of this key's entry and of others'."""
    raw = data.draw(_mutilated(list(genuine.values())))
    assume(raw != genuine[STORED])  # one bend may take back another

    _reads_as_a_miss(worker, client, raw, {"signature", "schema"})


@pytest.mark.parametrize("place", ["t:users:u1:list:digest", "t:users:u2:me:digest"])
def test_entries_of_other_keys_are_a_miss(worker, client, genuine, place):
    """Of another resource and of another owner: unbent, fresh, rightly signed, and not this one."""
    _reads_as_a_miss(worker, client, genuine[place], {"signature"})


def test_an_entry_of_another_namespace_is_a_miss(worker, client, genuine):
    """Even if all else of the key is the same."""
    raw = genuine[STORED]
    other = msgspec.msgpack.decode(raw[len(MAGIC) + TAG_BYTES :])
    other[1] = KEY.replace("users:", "files:")

    _reads_as_a_miss(worker, client, _signed(msgspec.msgpack.encode(other)), {"signature"})


@MANY
@given(raw=_envelopes())
def test_rightly_signed_nonsense_is_a_miss(worker, client, raw):
    """Wrong types, extensions, the largest and smallest numbers, fields too few and too many."""
    _reads_as_a_miss(worker, client, raw)


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_msgpack_is_a_miss(worker, client, payload):
    """Signed or not; what it declares to hold is never made room for."""
    _reads_as_a_miss(worker, client, MAGIC + payload, {"signature"})
    _reads_as_a_miss(worker, client, _signed(payload), {"schema"})


@settings(MANY, max_examples=100)
@given(body=st.binary(max_size=3000), cut=st.integers(0, 60))
def test_compressed_bodies_that_are_cut_are_a_miss(worker, client, body, cut):
    """At whatever byte, whatever they held."""
    packed = zstd.compress(body)
    fields = [0, KEY, "1", {}, 0.0, 4e9, '"e"', False, 0.0, True, packed[: len(packed) - 1 - cut]]

    _reads_as_a_miss(worker, client, _signed(msgspec.msgpack.encode(fields)), {"schema"})


@pytest.mark.parametrize("size", [ENTRY_BYTES + 1, 10**6, 3 * 10**8])
def test_a_bomb_is_a_miss(worker, client, size):
    """Three hundred megabytes in ten kilobytes: never unpacked beyond the limit."""
    packer = zstd.ZstdCompressor(level=1)
    packed = b"".join(
        packer.compress(bytes(min(size, 10**7))) for _ in range(max(1, size // 10**7))
    )
    fields = [0, KEY, "1", {}, 0.0, 4e9, '"e"', False, 0.0, True, packed + packer.flush()]

    _reads_as_a_miss(worker, client, _signed(msgspec.msgpack.encode(fields)), {"schema"})


@pytest.mark.parametrize("version", [b"0", b"1", b"2", b"9"])
def test_another_versions_entries_are_a_miss_for_their_schema(worker, client, genuine, version):
    """Two releases may run side by side during an upgrade: no alarm, no harm."""
    raw = FAMILY + version + genuine[STORED][len(MAGIC) :]

    _reads_as_a_miss(worker, client, raw, {"schema"})


def test_the_first_versions_envelope_is_a_miss(worker, client):
    """It had one field less, and was signed as this one is."""
    fields = [KEY, "1", {}, 0.0, 4e9, '"e"', False, b'"old"']

    _reads_as_a_miss(worker, client, _signed(msgspec.msgpack.encode(fields)), {"schema"})


def test_a_rotation_of_the_secret_loses_no_entry(store, clock, client, new_tier):
    """Before, during and after it, on workers that are restarted one by one."""

    def worker_with(*keys: bytes):
        return _worker(store, clock, new_tier(client), signing_keys=keys)

    before, during, after = worker_with(b"old"), worker_with(b"new", b"old"), worker_with(b"new")
    before.read(make_call(Answers("first")))
    kept = during.read(make_call(Answers("second")))
    refused = after.read(make_call(Answers("third")))
    shared = during.read(make_call(Answers("fourth")))
    unknown = before.read(make_call(Answers("fifth")))

    assert (kept.value, kept.detail) == ("first", "redis")
    assert (refused.value, refused.detail) == ("third", "signature")
    assert (shared.value, shared.detail) == ("third", "redis")
    assert unknown.detail == "signature"


@pytest.mark.server
def test_a_real_server_gives_the_same_answers(store, clock, redis_process, new_tier, genuine):
    """The bytes go over a socket there and back."""
    client = patient_client(redis_process.port)
    worker = _worker(store, clock, new_tier(client))

    @settings(MANY, max_examples=60)
    @given(raw=_mutilated(list(genuine.values())) | _envelopes() | st.binary(max_size=99))
    def attack(raw):
        _reads_as_a_miss(worker, client, raw)

    attack()
    client.delete(STORED)
    client.close()


OTHER_TYPES = ("rpush", "sadd", "hset", "xadd")


def _put(client: Any, verb: str, key: str) -> None:
    arguments = {"hset": ("a", "b"), "xadd": ({"a": "b"},)}.get(verb, ("a",))
    client.delete(key)
    getattr(client, verb)(key, *arguments)


@pytest.mark.server
@pytest.mark.parametrize("verb", OTHER_TYPES)
def test_what_is_no_string_is_a_miss_and_gives_way(store, clock, redis_process, new_tier, verb):
    """Else nothing could ever be kept there; and it is nothing that Redis refuses."""
    client = patient_client(redis_process.port)
    _put(client, verb, STORED)
    worker = _worker(store, clock, new_tier(client))

    first = worker.read(make_call(Answers("first")))
    second = worker.read(make_call(Answers("second")))

    assert (first.value, first.detail) == ("first", "signature")
    assert (second.value, second.detail) == ("first", "redis")
    assert worker.redis.outages == ()
    client.delete(STORED)
    client.close()


WATCHED = """
import hmac, pathlib, pickle, sys
import fakeredis, msgspec
from tests.cache.suite import Answers
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_tier import make_tier
from tests.factories.caches import SIGNING, make_call, make_engine
from cache.entries import MAGIC, TAG_BYTES
from cache.values import ValueRefused, unpack

seen, mark = [], pathlib.Path(sys.argv[1])
sys.addaudithook(lambda name, _: seen.append(name) if name == "pickle.find_class" else None)

class Bomb:
    def __reduce__(self):
        return pathlib.Path.touch, (mark,)

bombs = [pickle.dumps(Bomb(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
key, client, clock = make_call().key, fakeredis.FakeRedis(), FakeClock()
tier = make_tier(client, clock=clock, timeout_s=30)
worker = make_engine(FakeGenerations(), clock, tier, memory_first=False)
sign = lambda raw: MAGIC + hmac.digest(SIGNING[0], raw, "sha256")[:TAG_BYTES] + raw
envelope = lambda raw: msgspec.msgpack.encode([key, "0", {}, 0.0, 4e9, "", False, False, raw])
for bomb in bombs:
    for raw in (bomb, MAGIC + bomb, sign(bomb), sign(envelope(bomb))):
        client.set("t:" + key, raw)
        assert worker.read(make_call(Answers("sound"))).value == "sound"
    for raw in (bomb, msgspec.msgpack.encode(msgspec.msgpack.Ext(4, bomb))):
        try:
            unpack(raw)
        except ValueRefused:
            pass
assert not seen and not mark.exists(), seen
pickle.loads(bombs[-1])
assert seen and mark.exists(), "the watch itself sees nothing"
"""


def test_a_pickle_is_never_loaded(tmp_path):
    """Python's own audit sees no class looked up for one; that it would is shown at the end."""
    mark = tmp_path / "it ran"

    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(mark)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr.decode()
