"""Value to bytes and back: a signed envelope that names its key, its shape and its stamp.

The signature covers everything, the key included, and is verified before anything is decoded, so
whatever stands in Redis is at worst a miss: truncated, foreign, swapped between keys, an older
version's, a compression bomb. Nothing here ever runs what it reads.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
from backports import zstd

__all__ = ["Entry", "EntryCodec", "EntryRefused"]

MAGIC = b"LD1"
TAG_BYTES = 16
HEAD_BYTES = len(MAGIC) + TAG_BYTES


class EntryRefused(Exception):
    """Bytes that are not the entry asked for. `reason`: `signature` or `schema`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Entry:
    """One cached value. Times are seconds since the epoch.

    `kept` holds the decoded value once somebody needed it; it never leaves this process.
    """

    key: str
    shape: str
    stamp: Mapping[str, int]
    created_s: float
    expires_s: float
    etag: str
    body: bytes
    kept: list[Any] = field(default_factory=list, compare=False, repr=False)

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, roughly."""
        return len(self.body) + len(self.key) + 64 * len(self.stamp) + 400


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    key: str
    shape: str
    stamp: dict[str, int]
    created_s: float
    expires_s: float
    etag: str
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
        self._keys = keys
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
                entry.key,
                entry.shape,
                dict(entry.stamp),
                entry.created_s,
                entry.expires_s,
                entry.etag,
                is_packed,
                body,
            )
        )
        return MAGIC + self._tag(self._keys[0], raw) + raw

    def decode(self, key: str, raw: bytes, *, shape: str | None = None) -> Entry:
        """The entry of `key` in `raw`.

        Args:
            key: the key it was read under.
            raw: the bytes that stood there.
            shape: the shape expected; `None` takes any.

        Raises:
            EntryRefused: these bytes are not that entry.
        """
        if len(raw) <= HEAD_BYTES or not raw.startswith(MAGIC):
            raise EntryRefused("signature")
        tag, payload = raw[len(MAGIC) : HEAD_BYTES], raw[HEAD_BYTES:]
        if not any(hmac.compare_digest(self._tag(each, payload), tag) for each in self._keys):
            raise EntryRefused("signature")
        try:
            found = self._decoder.decode(payload)
        except msgspec.MsgspecError as fault:
            raise EntryRefused("schema") from fault
        if found.key != key:
            raise EntryRefused("signature")
        if shape is not None and found.shape != shape:
            raise EntryRefused("schema")
        body = self._unpack(found.body) if found.is_packed else found.body
        return Entry(
            key, found.shape, found.stamp, found.created_s, found.expires_s, found.etag, body
        )

    def _unpack(self, packed: bytes) -> bytes:
        unpacker = zstd.ZstdDecompressor()
        try:
            body = unpacker.decompress(packed, max_length=self._max_bytes + 1)
        except zstd.ZstdError as fault:
            raise EntryRefused("schema") from fault
        if len(body) > self._max_bytes or not unpacker.eof:
            raise EntryRefused("schema")
        return body

    @staticmethod
    def _tag(key: bytes, payload: bytes) -> bytes:
        # Keyed BLAKE2b is a MAC of its own (RFC 7693, 2.9) and faster than HMAC-SHA-256.
        return blake2b(payload, key=key, digest_size=TAG_BYTES).digest()
