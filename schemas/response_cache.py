"""What a request says of the response cache: `"cache": {…}` in its body."""

from dataclasses import dataclass
from typing import Any

from marshmallow import post_load, validate

from schemas.fields import Flag, StrictSchema, Text, WholeNumber

__all__ = ["MAX_RESPONSE_TTL_S", "CacheControls", "CacheControlsSchema"]

MAX_RESPONSE_TTL_S = 30 * 86400
MAX_NAMESPACE_CHARS = 60
NAMESPACE = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$(?!\n)"
NAMESPACE_ABOUT = "Answers of one namespace are no answers of another."


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControls:
    """What a request wants of the response cache.

    Attributes:
        is_wanted: the request itself turns the cache on.
        ttl_s: how long an answer may be kept, and how old one may be; `None`: as is usual.
        namespace: which answers count; empty: the caller's own.
        no_cache: ask anew, and keep the answer.
        no_store: neither look nor keep.
    """

    is_wanted: bool = True
    ttl_s: int | None = None
    namespace: str = ""
    no_cache: bool = False
    no_store: bool = False


class CacheControlsSchema(StrictSchema):
    """What a request wants of the response cache; present, it turns the cache on."""

    ttl = WholeNumber(
        low=1, high=MAX_RESPONSE_TTL_S, load_default=None, metadata={"description": "Seconds."}
    )
    namespace = Text(
        max_chars=MAX_NAMESPACE_CHARS,
        load_default=lambda: "",  # no default in the document: one could not send it
        validate=validate.Regexp(NAMESPACE, error="Must be letters, digits, `_`, `.` and `-`."),
        metadata={"description": NAMESPACE_ABOUT},
    )
    no_cache = Flag(data_key="no-cache", load_default=False)
    no_store = Flag(data_key="no-store", load_default=False)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> CacheControls:
        """The loaded fields as one value."""
        ttl_s = loaded.pop("ttl")
        return CacheControls(ttl_s=ttl_s, **loaded)
