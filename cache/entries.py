"""Value to bytes and back: a signed envelope that names its key, its shape and its stamp.

The signature is an HMAC-SHA-256 (RFC 2104) over everything, the full key included. It is verified
before anything is decoded, so whatever stands in Redis is at worst a miss: truncated, foreign,
swapped between keys, an older version's, a compression bomb. Nothing here ever runs what it reads.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from backports import zstd

__all__ = ["Entry", "EntryCodec", "EntryRefused"]

FAMILY = b"LD"
MAGIC = FAMILY + b"3"  # the number is raised when the form of the envelope changes
TAG_BYTES = 16  # half of the hash, the least that RFC 2104, section 5, allows
SURE = 25.0  # e^-25: nobody draws a lot below that
LAST_S = 253_402_300_800.0  # when the year 10,000 begins
HEAD_BYTES = len(MAGIC) + TAG_BYTES


class EntryRefused(Exception):
    """Bytes that are not the entry asked for. `reason`: `signature` or `schema`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Entry:
    """One cached value. Times are seconds since the epoch.

    `took_s` is how long its load took; from `due_s` on a hit needs a second look (`cache.tiers`).
    `is_manual` marks a value that an admin has set by hand. `kept` holds the decoded value once
    somebody needed it, `uses` how often this copy was a hit, `raw` the bytes that it was read from,
    where those will be compared; none of them ever leaves this process.
    """

    key: str
    shape: str
    stamp: Mapping[str, int]
    created_s: float
    expires_s: float
    etag: str
    body: bytes
    is_manual: bool = False
    took_s: float = 0.0
    kept: list[Any] = field(default_factory=list, compare=False, repr=False)
    uses: int = field(default=0, compare=False, repr=False)
    raw: bytes = field(default=b"", compare=False, repr=False)
    due_s: float = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.due_s = self.early_s

    @property
    def early_s(self) -> float:
        """From when on it may be loaded anew before its end: before that the chance is none."""
        return self.expires_s - SURE * self.took_s

    @property
    def order(self) -> int:
        """Grows with every write that its value has seen."""
        return max(self.stamp.values(), default=0)

    def is_newer_than(self, other: "Entry") -> bool:
        """Whether it has seen more writes, or as many and was made later."""
        return (self.order, self.created_s) > (other.order, other.created_s)

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, roughly."""
        return len(self.body) + len(self.raw) + len(self.key) + 64 * len(self.stamp) + 400


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    order: int  # comes first, where the script that stores entries looks for it
    key: str
    shape: str
    stamp: dict[str, int]
    created_s: float
    expires_s: float
    etag: str
    is_manual: bool
    took_s: float
    is_packed: bool
    body: bytes


class EntryCodec:
    """Writes and reads entries under the installation's signing keys.

    Args:
        keys: the first signs, all verify.
        max_bytes: the largest body, decompressed.
        compress_bytes: bodies from this size on are compressed.
    """

    def __init__(self, keys: tuple[bytes, ...], *, max_bytes: int, compress_bytes: int) -> None:
        if not keys:
            raise ValueError("entries need a signing key")
        # Taken in once: copying the state costs half of what beginning with the key does.
        self._macs = tuple(hmac.new(key, digestmod="sha256") for key in keys)
        self._max_bytes = max_bytes
        self._compress_bytes = compress_bytes
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Envelope)

    def encode(self, entry: Entry) -> bytes:
        """The entry as signed bytes."""
        body, is_packed = entry.body, False
        if len(body) >= self._compress_bytes:
            packed = zstd.compress(body, level=3)
            if len(packed) < len(body):
                body, is_packed = packed, True
        raw = self._encoder.encode(
            _Envelope(
                entry.order,
                entry.key,
                entry.shape,
                dict(entry.stamp),
                entry.created_s,
                entry.expires_s,
                entry.etag,
                entry.is_manual,
                entry.took_s,
                is_packed,
                body,
            )
        )
        return MAGIC + _tag(self._macs[0], raw) + raw

    def decode(self, key: str, raw: bytes, *, shape: str | None = None) -> Entry:
        """The entry of `key` in `raw`.

        Args:
            key: the key it was read under.
            raw: the bytes that stood there.
            shape: the shape expected; `None` takes any.

        Raises:
            EntryRefused: these bytes are not that entry.
        """
        found = self._verified(raw)
        if found.key != key:
            raise EntryRefused("signature")
        if shape is not None and found.shape != shape:
            raise EntryRefused("schema")
        return Entry(
            key=key,
            shape=found.shape,
            stamp=found.stamp,
            created_s=found.created_s,
            expires_s=found.expires_s,
            etag=found.etag,
            body=self._body(found),
            is_manual=found.is_manual,
            took_s=found.took_s,
        )

    def _verified(self, raw: bytes) -> _Envelope:
        """The envelope in `raw`, if one of the keys has signed it."""
        if not raw.startswith(MAGIC):
            is_older = raw.startswith(FAMILY) and len(raw) > HEAD_BYTES
            raise EntryRefused("schema" if is_older else "signature")
        tag, payload = raw[len(MAGIC) : HEAD_BYTES], raw[HEAD_BYTES:]
        if not any(hmac.compare_digest(_tag(each, payload), tag) for each in self._macs):
            raise EntryRefused("signature")
        try:
            found = self._decoder.decode(payload)
        except (msgspec.MsgspecError, RecursionError, MemoryError) as fault:
            raise EntryRefused("schema") from fault
        if not 0 <= found.created_s <= found.expires_s < LAST_S:
            raise EntryRefused("schema")  # no number at all (NaN) is refused by this as well
        if not 0 <= found.took_s < LAST_S:
            raise EntryRefused("schema")
        return found

    def _body(self, found: _Envelope) -> bytes:
        body = self._unpack(found.body) if found.is_packed else found.body
        if len(body) > self._max_bytes:
            raise EntryRefused("schema")
        return body

    def _unpack(self, packed: bytes) -> bytes:
        unpacker = zstd.ZstdDecompressor()
        try:
            body = unpacker.decompress(packed, max_length=self._max_bytes + 1)
        except zstd.ZstdError as fault:
            raise EntryRefused("schema") from fault
        if not unpacker.eof:
            raise EntryRefused("schema")
        return body


def _tag(keyed: hmac.HMAC, payload: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(payload)
    return mac.digest()[:TAG_BYTES]
