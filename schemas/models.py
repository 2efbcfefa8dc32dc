"""The shapes of the model catalogue."""

import re
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.costs_pricing import PriceOverride, PriceOverrideSchema
from schemas.fields import Items, Name, StrictSchema, Text, UtcTime, WholeNumber
from schemas.page import PageQuerySchema, page_schema
from schemas.response_cache import MAX_RESPONSE_TTL_S

__all__ = [
    "OF_ALIASES",
    "OF_MODELS",
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
KINDS = ("model", "alias")
STRATEGIES = ("ordered", "weighted")
OF_MODELS = ("context_window", "max_output_tokens", "response_cache_ttl_s")
OF_ALIASES = ("strategy", "targets")
MAX_TARGETS = 20
MAX_WEIGHT = 1000
MAX_TOKENS = 10**9
MODEL_ID = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}/[^\s\x00-\x1f\x7f]{1,235}$(?!\n)"
"""To Python `$` is before a last line feed too; to JSON Schema, which shows this, never."""
ALIAS_ID = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$(?!\n)"


@dataclass(frozen=True, slots=True)
class ModelQuery:
    """Which models are asked for, and which page of them."""

    limit: int
    cursor: str | None = None
    status: str | None = None
    provider: str | None = None
    capability: str | None = None
    q: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model, or an alias, added by hand. Targets are `{"model", "weight"}`."""

    id: str
    kind: str = "model"
    strategy: str = "ordered"
    targets: list[dict[str, Any]] = field(default_factory=list)
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


class TargetSchema(StrictSchema):
    """A model that an alias stands for."""

    model = Text(
        max_chars=300,
        required=True,
        validate=validate.Regexp(MODEL_ID, error="Must be a model's id: provider/name."),
    )
    weight = WholeNumber(
        low=0,
        high=MAX_WEIGHT,
        load_default=1,
        metadata={"description": "Its share of the calls, where the strategy is `weighted`."},
    )


class ModelSchema(Schema):
    """A model, or an alias, as it is read. An alias has no provider and no limits of its own."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    provider_id = fields.String(required=True, allow_none=True)
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
    strategy = fields.String(required=True, allow_none=True)
    targets = fields.List(fields.Nested(TargetSchema), required=True, allow_none=True)
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
    kind = fields.String(validate=validate.OneOf(KINDS), load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ModelQuery:
        """The loaded fields as one value."""
        return ModelQuery(**loaded)


class ModelFieldsSchema(StrictSchema):
    """What people say of a model."""

    display_name = Name(min_chars=1, max_chars=300)
    status = fields.String(validate=validate.OneOf(STATUSES))
    capabilities = Items(Text(min_chars=1, max_chars=60), max_items=50)
    context_window = WholeNumber(low=1, high=MAX_TOKENS, allow_none=True)
    max_output_tokens = WholeNumber(low=1, high=MAX_TOKENS, allow_none=True)
    response_cache_ttl_s = WholeNumber(low=1, high=MAX_RESPONSE_TTL_S, allow_none=True)
    strategy = fields.String(
        validate=validate.OneOf(STRATEGIES),
        metadata={
            "description": "Of an alias: `ordered` tries its targets as they stand, `weighted` "
            "draws them by their weights; the others follow where one fails before its first token."
        },
    )
    targets = Items(fields.Nested(TargetSchema), min_items=1, max_items=MAX_TARGETS)

    @validates_schema
    def check_targets(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse targets that say nothing: one twice, or none with a weight.

        Raises:
            ValidationError: naming the field.
        """
        targets = loaded.get("targets")
        if targets is None:
            return
        if len({each["model"] for each in targets}) < len(targets):
            raise ValidationError("Must not name a model twice.", "targets")
        if not any(each["weight"] for each in targets):
            raise ValidationError("Must have a weight above zero.", "targets")


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
    """A model, or an alias, added by hand."""

    id = Text(
        max_chars=300,
        required=True,
        metadata={
            "description": "A model's is `provider/name`, without spaces; an alias's has no slash."
        },
    )
    kind = fields.String(validate=validate.OneOf(KINDS), load_default="model")

    @validates_schema
    def check_kind(self, loaded: dict[str, Any], **_: object) -> None:
        """Refuse an id that is not of its kind, and fields of the other kind.

        Raises:
            ValidationError: naming the field.
        """
        if loaded["kind"] == "alias":
            if not re.match(ALIAS_ID, loaded["id"]):
                raise ValidationError("Must be letters, digits, - _ and dots, 64 at most.", "id")
            if "targets" not in loaded:
                raise ValidationError("Must be given for an alias.", "targets")
            other: tuple[str, ...] = OF_MODELS
        else:
            if not re.match(MODEL_ID, loaded["id"]):
                raise ValidationError("Must be provider/name, without spaces.", "id")
            other = OF_ALIASES
        for name in other:
            if name in loaded:
                raise ValidationError(f"A {loaded['kind']} has none.", name)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewModel:
        """The loaded fields as one value."""
        return NewModel(**loaded)
