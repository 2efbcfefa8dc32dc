"""The shapes of API keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, post_load

from schemas.fields import Id, Items, Name, StrictSchema, Text, UtcTime, WholeNumber
from schemas.page import PageQuerySchema, page_schema
from schemas.response_cache import MAX_RESPONSE_TTL_S

__all__ = [
    "CreatedKeySchema",
    "KeyEdit",
    "KeyPatchSchema",
    "KeyQuery",
    "KeyQuerySchema",
    "KeySchema",
    "KeyWriteSchema",
    "KeysSchema",
    "NewKey",
]

MAX_NAME_CHARS = 200
MAX_SCOPES = 50
MAX_SCOPE_CHARS = 60
MAX_REQUESTS = 1_000_000
MAX_TOKENS = 1_000_000_000
MAX_STREAMS = 10_000
STREAMS_ABOUT = "How many answers may be under way at once, streamed or not."
RESPONSE_CACHE_ABOUT = (
    "Have answers to the same request kept for so many seconds; null asks them anew each time."
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made; no `user_id` is the caller's own, no `scopes` all that the caller has."""

    name: str
    user_id: str | None = None
    workspace_id: str | None = None
    scopes: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent_streams: int | None = None
    response_cache_ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class KeyEdit:
    """What is to change; `changes` holds the named fields only."""

    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which keys are asked for; no `user_id` is the caller's own."""

    limit: int
    cursor: str | None = None
    user_id: str | None = None


class Scopes(Items):
    """Words that say what a key may do; each once, in order."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            Text(min_chars=1, max_chars=MAX_SCOPE_CHARS),
            min_items=1,
            max_items=MAX_SCOPES,
            metadata={
                "description": "Permissions (`models:read`), families (`models:*`) or `*` for all."
            },
            **kwargs,
        )


class KeySchema(Schema):
    """A key as it is read: everything but its secret."""

    id = fields.String(required=True)
    user_id = fields.String(required=True)
    workspace_id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True)
    hint = fields.String(
        required=True, metadata={"description": "The last letters of the secret, to know it by."}
    )
    scopes = fields.List(fields.String(), required=True)
    requests_per_minute = fields.Integer(required=True, allow_none=True)
    tokens_per_minute = fields.Integer(required=True, allow_none=True)
    max_concurrent_streams = fields.Integer(
        required=True, allow_none=True, metadata={"description": STREAMS_ABOUT}
    )
    response_cache_ttl_s = fields.Integer(
        required=True, allow_none=True, metadata={"description": RESPONSE_CACHE_ABOUT}
    )
    expires_at = UtcTime(required=True, allow_none=True)
    revoked_at = UtcTime(required=True, allow_none=True)
    created_at = UtcTime(required=True)


class CreatedKeySchema(KeySchema):
    """A key just made: the one answer that has its secret."""

    secret = fields.String(required=True, metadata={"description": "Shown this once."})


KeysSchema = page_schema(KeySchema)


class KeyQuerySchema(PageQuerySchema):
    """Whose keys are listed."""

    user_id = Id(load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> KeyQuery:
        """The loaded fields as one value."""
        return KeyQuery(**loaded)


class KeyWriteSchema(StrictSchema):
    """A new key."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS, required=True)
    user_id = Id(load_default=None, allow_none=True)
    workspace_id = Id(load_default=None, allow_none=True)
    scopes = Scopes(load_default=None, allow_none=True)
    expires_at = UtcTime(load_default=None, allow_none=True)
    requests_per_minute = WholeNumber(low=1, high=MAX_REQUESTS, load_default=None, allow_none=True)
    tokens_per_minute = WholeNumber(low=1, high=MAX_TOKENS, load_default=None, allow_none=True)
    max_concurrent_streams = WholeNumber(
        low=1, high=MAX_STREAMS, load_default=None, allow_none=True
    )
    response_cache_ttl_s = WholeNumber(
        low=1, high=MAX_RESPONSE_TTL_S, load_default=None, allow_none=True
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewKey:
        """The loaded fields as one value."""
        scopes = loaded.pop("scopes")
        return NewKey(**loaded, scopes=tuple(dict.fromkeys(scopes)) if scopes else None)


class KeyPatchSchema(StrictSchema):
    """A change of a key: what is left out stays."""

    name = Name(min_chars=1, max_chars=MAX_NAME_CHARS)
    scopes = Scopes()
    expires_at = UtcTime(allow_none=True)
    requests_per_minute = WholeNumber(low=1, high=MAX_REQUESTS, allow_none=True)
    tokens_per_minute = WholeNumber(low=1, high=MAX_TOKENS, allow_none=True)
    max_concurrent_streams = WholeNumber(low=1, high=MAX_STREAMS, allow_none=True)
    response_cache_ttl_s = WholeNumber(low=1, high=MAX_RESPONSE_TTL_S, allow_none=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> KeyEdit:
        """The loaded fields as one value."""
        changes = dict(loaded)
        if "scopes" in changes:
            changes["scopes"] = list(dict.fromkeys(changes["scopes"]))
        return KeyEdit(changes=changes)
