"""The shapes of the model catalogue."""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from schemas.costs_pricing import PriceOverride, PriceOverrideSchema
from schemas.fields import Name, StrictSchema, Text, UtcTime, WholeNumber
from schemas.page import PageQuerySchema, page_schema
from schemas.response_cache import MAX_RESPONSE_TTL_S

__all__ = [
    "STATUSES",
    "ModelEdit",
    "ModelPageSchema",
    "ModelPatchSchema",
    "ModelQuery",
    "ModelQuerySchema",
    "ModelSchema",
    "ModelWriteSchema",
    "NewModel",
]

STATUSES = ("active", "disabled", "deprecated")
MAX_TOKENS = 10**9
MODEL_ID = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}/[^\s\x00-\x1f\x7f]{1,235}$(?!\n)"
"""To Python `$` is before a last line feed too; to JSON Schema, which shows this, never."""


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """Which models are asked for, and which page of them."""

    limit: int
    cursor: str | None = None
    status: str | None = None
    provider: str | None = None
    capability: str | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model added by hand."""

    id: str
    display_name: str | None = None
    status: str = "active"
    capabilities: list[str] = field(default_factory=list)
    context_window: int | None = None
    max_output_tokens: int | None = None
    response_cache_ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """What is to change; `changes` holds the named fields only, but for the price.

    `prices` holds at most one: a price from an instant on, or `None` for no override any more.
    """

    changes: dict[str, Any]
    prices: list[PriceOverride | None] = field(default_factory=list)


class ModelSchema(Schema):
    """A model as it is read."""

    id = fields.String(required=True)
    provider_id = fields.String(required=True)
    name = fields.String(required=True)
    display_name = fields.String(required=True)
    status = fields.String(required=True)
    capabilities = fields.List(fields.String(), required=True)
    context_window = fields.Integer(required=True, allow_none=True)
    max_output_tokens = fields.Integer(required=True, allow_none=True)
    response_cache_ttl_s = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Answers to the same request are kept so long; null: not at all."},
    )
    origin = fields.String(required=True)
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)


ModelPageSchema = page_schema(ModelSchema)


class ModelQuerySchema(PageQuerySchema):
    """The filters of the list."""

    status = fields.String(validate=validate.OneOf(STATUSES), load_default=None)
    provider = Text(max_chars=64, load_default=None)
    capability = Text(max_chars=60, load_default=None)
    q = Text(max_chars=200, load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ModelQuery:
        """The loaded fields as one value."""
        return ModelQuery(**loaded)


class ModelFieldsSchema(StrictSchema):
    """What people say of a model."""

    display_name = Name(min_chars=1, max_chars=300)
    status = fields.String(validate=validate.OneOf(STATUSES))
    capabilities = fields.List(Text(min_chars=1, max_chars=60), validate=validate.Length(max=50))
    context_window = WholeNumber(low=1, high=MAX_TOKENS, allow_none=True)
    max_output_tokens = WholeNumber(low=1, high=MAX_TOKENS, allow_none=True)
    response_cache_ttl_s = WholeNumber(low=1, high=MAX_RESPONSE_TTL_S, allow_none=True)


class ModelPatchSchema(ModelFieldsSchema):
    """A change of a model: what is left out stays."""

    price_override = fields.Nested(
        PriceOverrideSchema,
        allow_none=True,
        metadata={"description": "A price set by hand; null takes all overrides away."},
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ModelEdit:
        """The loaded fields as one value."""
        prices = [loaded.pop("price_override")] if "price_override" in loaded else []
        return ModelEdit(changes=dict(loaded), prices=prices)


class ModelWriteSchema(ModelFieldsSchema):
    """A model added by hand."""

    id = Text(
        max_chars=300,
        required=True,
        validate=validate.Regexp(MODEL_ID, error="Must be provider/name, without spaces."),
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewModel:
        """The loaded fields as one value."""
        return NewModel(**loaded)
