"""The shapes of prices: rates in US dollars for a million tokens, from an instant on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.fields import Id, Items, Money, StrictSchema, UtcTime, WholeNumber
from schemas.page import DEFAULT_LIMIT, PageQuerySchema

__all__ = [
    "PriceDeleteQuerySchema",
    "PriceOverride",
    "PriceOverrideSchema",
    "PriceQuery",
    "PriceQuerySchema",
    "PriceSchema",
]

MAX_RATE_USD = 10_000
MAX_TIERS = 8
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """One page of prices, of one model or of all."""

    model: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """A price set by hand. `rates` holds decimals as text; without an instant it holds from now."""

    rates: dict[str, Any]
    effective_from: datetime | None


def _bounded(instant: datetime) -> None:
    if not EARLIEST <= instant < LATEST:
        raise ValidationError("Must be in the years 2000 to 2199.")


def _rate(*, required: bool = False) -> Money:
    return Money(
        required=required,
        validate=validate.Range(min=0, max=MAX_RATE_USD),
        metadata={"description": "US dollars for a million tokens."},
    )


class RateSetSchema(StrictSchema):
    """Rates by kind of token; a kind that is left out is paid as the whole it is part of."""

    input = _rate()
    output = _rate()
    cached_input = _rate()
    cache_write = _rate()
    cache_write_1h = _rate()
    reasoning = _rate()
    input_audio = _rate()
    output_audio = _rate()
    per_request = Money(
        validate=validate.Range(min=0, max=MAX_RATE_USD),
        metadata={"description": "US dollars for one call."},
    )


class RateTierSchema(RateSetSchema):
    """Rates for calls with a larger input."""

    above_input_tokens = WholeNumber(low=1, high=100_000_000, required=True)


class RatesSchema(RateSetSchema):
    """All rates of an override."""

    input = _rate(required=True)
    output = _rate(required=True)
    tiers = Items(fields.Nested(RateTierSchema), min_items=1, max_items=MAX_TIERS)

    @validates_schema
    def check_tiers(self, loaded: dict[str, Any], **_: object) -> None:
        """Tiers rise."""
        starts = [tier["above_input_tokens"] for tier in loaded.get("tiers", [])]
        if starts != sorted(set(starts)):
            raise ValidationError("Must rise by above_input_tokens.", "tiers")


class PriceOverrideSchema(StrictSchema):
    """A price set by hand."""

    rates = fields.Nested(RatesSchema, required=True)
    effective_from = UtcTime(
        load_default=None,
        allow_none=True,
        validate=_bounded,
        metadata={"description": "From when on it holds; now, if left out."},
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> PriceOverride:
        """The loaded fields as one value."""
        rates = RatesSchema().dump(loaded["rates"])
        return PriceOverride(rates=rates, effective_from=loaded["effective_from"])


class PriceDeleteQuerySchema(StrictSchema):
    """Which override of the model; without an instant, all of them."""

    effective_from = UtcTime(load_default=None, validate=_bounded)


class PriceQuerySchema(PageQuerySchema):
    """Which model's prices."""

    model = Id(load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> PriceQuery:
        """The loaded fields as one value."""
        return PriceQuery(**loaded)


class PriceSchema(Schema):
    """A price as it is read. Overrides go before others from their instant on."""

    id = fields.String(required=True)
    model_id = fields.String(required=True)
    source = fields.String(required=True)
    effective_from = UtcTime(required=True)
    rates = fields.Dict(required=True)
    created_at = UtcTime(required=True)
