"""The shapes of usage: what was used and spent in a range of days, grouped or by day."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from schemas.fields import Day, Id, Money, StrictSchema
from schemas.page import DEFAULT_LIMIT, PageQuerySchema

__all__ = [
    "FROM_ABOUT",
    "GROUPS",
    "TO_ABOUT",
    "DailyQuery",
    "DailyQuerySchema",
    "DailySchema",
    "UsageFilters",
    "UsageQuery",
    "UsageQuerySchema",
    "UsageSchema",
]

GROUPS = ("model", "provider", "user", "workspace", "key", "day")
FROM_ABOUT = "The first day, in UTC, inclusive."
TO_ABOUT = "The day after the last, in UTC, exclusive."


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilters:
    """What to count; `None` counts all. Days are in UTC, `to_on` is the day after the last."""

    from_on: date | None = None
    to_on: date | None = None
    model: str | None = None
    provider: str | None = None
    user: str | None = None
    workspace: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyQuery(UsageFilters):
    """Usage day by day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery(UsageFilters):
    """Usage by group, one page of it."""

    group_by: str = "model"
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class _FiltersSchema(StrictSchema):
    from_on = Day(data_key="from", load_default=None, metadata={"description": FROM_ABOUT})
    to_on = Day(data_key="to", load_default=None, metadata={"description": TO_ABOUT})
    model = Id(load_default=None)
    provider = Id(load_default=None)
    user = Id(load_default=None)
    workspace = Id(load_default=None)
    key = Id(load_default=None)


class DailyQuerySchema(_FiltersSchema):
    """Which days and calls; without a range the last 30 days, today included."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> DailyQuery:
        """The loaded fields as one value."""
        return DailyQuery(**loaded)


class UsageQuerySchema(_FiltersSchema, PageQuerySchema):
    """Which days and calls, and by what to group; without a range the last 30 days."""

    group_by = fields.String(validate=validate.OneOf(GROUPS), load_default="model")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> UsageQuery:
        """The loaded fields as one value."""
        return UsageQuery(**loaded)


class FiguresSchema(Schema):
    """Sums over calls. Unpriced calls add nothing to the cost: they are counted apart.

    Answers from the response cache are no calls: `cache_hits` counts them, `saved_usd` says what
    they would have cost.
    """

    calls = fields.Integer(required=True)
    failed_calls = fields.Integer(required=True)
    unpriced_calls = fields.Integer(required=True)
    estimated_calls = fields.Integer(required=True)
    input_tokens = fields.Integer(required=True)
    output_tokens = fields.Integer(required=True)
    cached_tokens = fields.Integer(required=True)
    cache_write_tokens = fields.Integer(required=True)
    reasoning_tokens = fields.Integer(required=True)
    cost_usd = Money(required=True)
    cache_hits = fields.Integer(required=True)
    saved_usd = Money(required=True)


class GroupSchema(FiguresSchema):
    """The sums of one group; the group is null for calls outside any workspace."""

    group = fields.String(required=True, allow_none=True)


class DayFiguresSchema(FiguresSchema):
    """The sums of one day."""

    day = Day(required=True)


class _RangeSchema(Schema):
    from_on = Day(data_key="from", required=True, metadata={"description": FROM_ABOUT})
    to_on = Day(data_key="to", required=True, metadata={"description": TO_ABOUT})
    totals = fields.Nested(FiguresSchema, required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class UsageSchema(_RangeSchema):
    """Usage by group. The totals are those of all pages."""

    group_by = fields.String(required=True)
    items = fields.List(fields.Nested(GroupSchema), required=True)


class DailySchema(_RangeSchema):
    """Usage day by day; days without a call are there too."""

    items = fields.List(fields.Nested(DayFiguresSchema), required=True)
