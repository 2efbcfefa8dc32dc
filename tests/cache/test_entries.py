"""Entries as bytes: what comes back is what was signed, anything else is a miss."""

import dataclasses
import hmac

import msgspec
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.entries import FAMILY, HEAD_BYTES, MAGIC, TAG_BYTES, Entry, EntryCodec, EntryRefused

KEY = "conversations:u1:folders:abc"
SIGNING = b"a signing key of this suite"
MAX_BYTES = 10_000


def _entry(body: bytes = b'{"items":[]}', key: str = KEY, shape: str = "1") -> Entry:
    return Entry(
        key=key,
        shape=shape,
        stamp={"conversations:u1": 7, "ns:conversations": 0, "*": 2**62},
        created_s=1000.5,
        expires_s=1300.25,
        etag='"abc"',
        body=body,
    )


def _codec(*keys: bytes, max_bytes: int = MAX_BYTES, compress_bytes: int = 1000) -> EntryCodec:
    return EntryCodec(keys or (SIGNING,), max_bytes=max_bytes, compress_bytes=compress_bytes)


def _signed(payload: bytes) -> bytes:
    return MAGIC + hmac.digest(SIGNING, payload, "sha256")[:TAG_BYTES] + payload


def _reason(raw: bytes, key: str = KEY, codec: EntryCodec | None = None, shape="1") -> str:
    with pytest.raises(EntryRefused) as refused:
        (codec or _codec()).decode(key, raw, shape=shape)
    return refused.value.reason


@settings(deadline=None)
@given(body=st.binary(max_size=3000), etag=st.text(max_size=40))
def test_an_entry_comes_back_as_it_was(body, etag):
    """Every field, to the bit, whether compressed or not."""
    entry = dataclasses.replace(_entry(body), etag=etag)

    assert _codec().decode(KEY, _codec().encode(entry), shape="1") == entry


def test_large_bodies_are_compressed():
    """Redis holds more, and the network carries less."""
    entry = _entry(b"a" * 5000)

    raw = _codec().encode(entry)

    assert len(raw) < 500
    assert _codec().decode(KEY, raw).body == entry.body


def test_a_body_that_does_not_shrink_is_kept_as_it_is():
    """Compression that gains nothing would cost every reader."""
    body = zstd.compress(bytes(range(256)) * 7) * 40

    codec = _codec(compress_bytes=10)
    raw = codec.encode(_entry(body[: 2**11]))

    assert codec.decode(KEY, raw).body == body[: 2**11]


@settings(deadline=None)
@given(raw=st.binary(max_size=400))
def test_foreign_bytes_are_refused(raw):
    """Whatever someone else left under the key is a miss, never an error."""
    assert _reason(raw) == "signature"
    assert _reason(MAGIC + raw) == "signature"


@settings(deadline=None)
@given(st.data())
def test_a_single_changed_bit_is_found(data):
    """Damage and tampering look alike: the signature covers every byte."""
    raw = bytearray(_codec().encode(_entry()))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))

    raw[place // 8] ^= 1 << place % 8

    is_version = place // 8 == len(FAMILY)
    assert _reason(bytes(raw)) == ("schema" if is_version else "signature")


@settings(deadline=None)
@given(st.data())
def test_truncated_bytes_are_refused(data):
    """As a connection that breaks, or a proxy that cuts, leaves them."""
    raw = _codec().encode(_entry())

    assert _reason(raw[: data.draw(st.integers(0, len(raw) - 1))]) == "signature"


def test_an_entry_under_another_key_is_refused():
    """A reply meant for another request, or an entry copied between users, is never served."""
    raw = _codec().encode(_entry(key="conversations:u2:folders:abc"))

    assert _reason(raw) == "signature"


def test_another_installations_entry_is_refused():
    """A Redis shared with a stranger is no way in."""
    assert _reason(_codec(b"another key").encode(_entry())) == "signature"


def test_a_retired_key_still_reads():
    """Changing the secret does not empty the cache; new entries have the new key's signature."""
    new = _codec(b"new", SIGNING)

    assert new.decode(KEY, _codec().encode(_entry())) == _entry()
    assert _reason(new.encode(_entry())) == "signature"


def test_another_shape_is_refused():
    """After an upgrade old entries are misses; who looks at any shape still sees them."""
    raw = _codec().encode(_entry(shape="2"))

    assert _reason(raw) == "schema"
    assert _codec().decode(KEY, raw).shape == "2"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({}),
        msgspec.msgpack.encode([KEY, "1", {"a": "b"}, 0.0, 1.0, "", False, False, b""]),
        msgspec.msgpack.encode([KEY, "1", {}, 0.0, 1.0, "", False, False]),
        b"\x91" * 20_000 + b"\xc0",
    ],
)
def test_a_signed_envelope_of_another_form_is_refused(payload):
    """Signed by us, a version ago: a miss as well, however it is nested."""
    assert _reason(_signed(payload)) in {"schema", "signature"}


def _packed(body: bytes) -> bytes:
    fields = [0, KEY, "1", {}, 0.0, 1.0, "", False, 0.0, True, body]
    return _signed(msgspec.msgpack.encode(fields))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not compressed at all",
        zstd.compress(b"a" * 5000)[:-4],
        zstd.compress(b"\0" * 50_000_000),
        zstd.compress(b"\0" * (MAX_BYTES + 1)),
    ],
    ids=["empty", "plain", "cut", "bomb", "just over"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(body):
    """Nor is one that grows beyond the limit: it is never held in memory."""
    assert _reason(_packed(body)) == "schema"


def test_the_signature_is_an_hmac_sha_256():
    """Anyone may check it by RFC 2104 with the key at hand; half of the hash is kept."""
    raw = _codec().encode(_entry())
    tag, payload = raw[len(MAGIC) : HEAD_BYTES], raw[HEAD_BYTES:]

    assert tag == hmac.digest(SIGNING, payload, "sha256")[:16]


@pytest.mark.parametrize("magic", [b"LD1", b"LD2", b"LD4"])
def test_an_older_or_newer_versions_envelope_is_another_schema(magic):
    """An upgrade of the form raises no alarm about damaged bytes."""
    raw = magic + _codec().encode(_entry())[len(MAGIC) :]

    assert _reason(raw) == "schema"


@pytest.mark.parametrize(
    ("created_s", "expires_s"),
    [(0.0, float("nan")), (float("nan"), 1.0), (0.0, float("inf")), (-1.0, 5.0), (9.0, 5.0)],
)
def test_a_signed_entry_of_an_impossible_time_is_refused(created_s, expires_s):
    """It would be served for ever, or break whoever reckons with it."""
    fields = [0, KEY, "1", {}, created_s, expires_s, "", False, 0.0, False, b"1"]

    assert _reason(_signed(msgspec.msgpack.encode(fields))) == "schema"


def test_a_plain_body_over_the_limit_is_refused():
    """The limit holds for what was never compressed as well."""
    assert _reason(_codec(compress_bytes=10**9).encode(_entry(b"a" * (MAX_BYTES + 1)))) == "schema"


def test_a_value_set_by_hand_is_known_as_one():
    """The auditor must not take it for a mistake."""
    raw = _codec().encode(dataclasses.replace(_entry(), is_manual=True))

    assert _codec().decode(KEY, raw).is_manual


def test_a_body_of_exactly_the_limit_is_read():
    """What may be stored may be read."""
    assert len(_codec().decode(KEY, _packed(zstd.compress(b"\0" * MAX_BYTES))).body) == MAX_BYTES


def test_entries_need_a_signing_key():
    """An installation without one must not run with unsigned entries."""
    with pytest.raises(ValueError, match="signing key"):
        EntryCodec((), max_bytes=1, compress_bytes=1)


def test_a_decoded_value_stays_in_the_process():
    """Neither the bytes nor the comparison of entries know what a reader has decoded."""
    entry = _entry()
    entry.kept.append(["decoded"])

    assert _codec().decode(KEY, _codec().encode(entry)).kept == []
    assert entry == _entry()


def test_a_size_grows_with_the_body():
    """The memory tier's budget is kept by it."""
    assert _entry(b"a" * 5000).size_bytes - _entry(b"").size_bytes == 5000
    assert len(_codec().encode(_entry())) > HEAD_BYTES


@pytest.mark.parametrize("took_s", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_load_that_took_no_time_there_is_is_refused(took_s):
    """It would have every reader refresh, or none."""
    fields = [0, KEY, "1", {}, 0.0, 1.0, "", False, took_s, False, b"1"]

    assert _reason(_signed(msgspec.msgpack.encode(fields))) == "schema"


@pytest.mark.parametrize(
    ("stamp", "created_s", "is_newer"),
    [
        ({"a": 8, "b": 0}, 1000.0, True),
        ({"a": 6, "b": 0}, 2000.0, False),
        ({"a": 7, "b": 0}, 1000.6, True),
        ({"a": 7, "b": 0}, 1000.5, False),
    ],
    ids=["more writes", "fewer writes", "later", "the same"],
)
def test_an_entry_is_newer_by_the_writes_it_has_seen(stamp, created_s, is_newer):
    """Its time counts among equals only: a slow load ends late with what is old."""
    entry = dataclasses.replace(_entry(), stamp={"a": 7, "b": 0})
    other = dataclasses.replace(entry, stamp=stamp, created_s=created_s)

    assert other.is_newer_than(entry) is is_newer


def test_a_long_load_is_worth_a_second_look_before_its_end():
    """Twenty-five times as long before as it took: earlier than that nobody refreshes it."""
    entry = dataclasses.replace(_entry(), took_s=2.0)

    assert (entry.due_s, _entry().due_s) == (1250.25, 1300.25)
