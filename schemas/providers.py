"""The shapes of providers; a secret goes in and never comes out."""

import re
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate
from urllib3.util import parse_url

from schemas.fields import Name, StrictSchema, Text, UtcTime
from schemas.page import page_schema

__all__ = [
    "CheckSchema",
    "CircuitSchema",
    "NewProvider",
    "ProviderEdit",
    "ProviderPageSchema",
    "ProviderPatchSchema",
    "ProviderSchema",
    "ProviderWriteSchema",
    "SyncSchema",
    "origin_of",
]

MAX_SECRET_CHARS = 4000
API_VERSION = r"^[A-Za-z0-9.\-]+$(?!\n)"
NOT_IN_URL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
HOST = re.compile(rf"\[.+\]|(?=.{{1,254}}$){_LABEL}(\.{_LABEL})*\.?")
PORTS = {"http": 80, "https": 443}
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)"
SLUG = r"^[a-z0-9][a-z0-9_.\-]{0,63}$(?!\n)"  # `$` alone lets a line feed follow


@dataclass(frozen=True, slots=True)
class NewProvider:
    """A provider to be added."""

    id: str
    wire_format: str
    base_url: str = ""
    name: str | None = None
    secret: str | None = None
    status: str = "active"
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderEdit:
    """What is to change; `changes` holds the named fields only."""

    changes: dict[str, Any]


def check_base_url(url: str) -> None:
    """Refuse what is no http(s) URL, as what connects reads it, or one that carries credentials.

    Raises:
        ValidationError: in words for the caller.
    """
    if NOT_IN_URL.search(url):
        raise ValidationError("Must have no spaces and no control characters.")
    try:
        parts = parse_url(url)
    except ValueError as fault:
        raise ValidationError("Must be a URL.") from fault
    if parts.scheme not in {"http", "https"} or not parts.host or parts.port == 0:
        raise ValidationError("Must begin with http:// or https:// and name a host.")
    if not HOST.fullmatch(parts.host):
        raise ValidationError("Must name a host as it can be looked up.")
    if parts.auth:
        raise ValidationError("Must not carry credentials: send them as secret.")
    if parts.query or parts.fragment:
        raise ValidationError("Must have no query and no fragment.")


def origin_of(base_url: str) -> tuple[str | None, str | None, int | None]:
    """Whom requests to `base_url` reach: scheme, host and port (RFC 6454)."""
    parts = parse_url(base_url)
    return parts.scheme, parts.host, parts.port or PORTS.get(parts.scheme or "")


CLOSED = {"state": "closed", "opened_at": None, "retry_at": None, "reason": None}


class CircuitSchema(Schema):
    """Whether calls reach the provider, as the worker that answers sees it."""

    state = fields.String(
        required=True,
        validate=validate.OneOf(["closed", "open", "half_open"]),
        metadata={
            "description": "`closed`: they do. `open`: it failed so often that it is left alone "
            "until `retry_at`. `half_open`: the next call is a probe."
        },
    )
    opened_at = UtcTime(required=True, allow_none=True)
    retry_at = UtcTime(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)


class ProviderSchema(Schema):
    """A provider as it is read."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    wire_format = fields.String(required=True)
    base_url = fields.String(required=True)
    api_version = fields.String(required=True, allow_none=True)
    has_secret = fields.Function(lambda row: row.encrypted_secret is not None, required=True)
    status = fields.String(required=True)
    origin = fields.String(required=True)
    synced_at = UtcTime(required=True, allow_none=True)
    sync_error = fields.String(required=True, allow_none=True)
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)
    circuit = fields.Nested(CircuitSchema, required=True, dump_default=CLOSED)


ProviderPageSchema = page_schema(ProviderSchema)


class ProviderPatchSchema(StrictSchema):
    """A change of a provider: what is left out stays; a secret of null is forgotten.

    Another host's `base_url` needs the secret anew, where there is one.
    """

    name = Name(min_chars=1, max_chars=200)
    base_url = Text(max_chars=2000, validate=check_base_url)
    secret = Text(
        min_chars=1,
        max_chars=MAX_SECRET_CHARS,
        allow_none=True,
        load_only=True,
        validate=validate.Regexp(NO_CONTROLS, error="Must have no control characters."),
    )
    status = fields.String(validate=validate.OneOf(["active", "disabled"]))
    api_version = Text(
        min_chars=1,
        max_chars=40,
        allow_none=True,
        validate=validate.Regexp(API_VERSION, error="Must be letters, digits, dots and hyphens."),
        metadata={"description": "Of its own API, where the provider wants one named."},
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> Any:
        """The loaded fields as one value."""
        return ProviderEdit(changes=dict(loaded))


class ProviderWriteSchema(ProviderPatchSchema):
    """A new provider."""

    id = Text(
        max_chars=64,
        required=True,
        validate=validate.Regexp(SLUG, error="Must be lower-case letters, digits, - _ and dots."),
    )
    wire_format = Text(max_chars=32, required=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> Any:
        """The loaded fields as one value."""
        return NewProvider(**loaded)


class SyncSchema(Schema):
    """What a sync changed."""

    provider_id = fields.String(required=True)
    listed = fields.Integer(required=True)
    added = fields.Integer(required=True)
    returned = fields.Integer(required=True)
    deprecated = fields.Integer(required=True)
    priced = fields.Integer(required=True)


class CheckSchema(Schema):
    """How one real request went."""

    provider_id = fields.String(required=True)
    ok = fields.Boolean(required=True)
    latency_ms = fields.Float(required=True)
    models = fields.Integer(required=True, allow_none=True)
    code = fields.String(required=True, allow_none=True)
    detail = fields.String(required=True, allow_none=True)
