"""The shapes of budgets."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.fields import Day, Id, Money, StrictSchema, UtcTime
from schemas.page import DEFAULT_LIMIT, PageQuerySchema

__all__ = [
    "BudgetEdit",
    "BudgetPatchSchema",
    "BudgetQuery",
    "BudgetQuerySchema",
    "BudgetSchema",
    "BudgetWriteSchema",
    "NewBudget",
]

SUBJECT_KINDS = ("workspace", "user", "key")
PERIODS = ("day", "week", "month")
PERIOD_ABOUT = "A calendar day, ISO week (from Monday) or month, in UTC."


@dataclass(frozen=True, slots=True)
class NewBudget:
    """A budget to be made."""

    subject_kind: str
    subject_id: str
    period: str
    soft_limit_usd: Decimal | None
    hard_limit_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class BudgetEdit:
    """What is to change; `changes` holds the named fields only."""

    changes: dict[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class BudgetQuery:
    """One page of budgets."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class BudgetQuerySchema(PageQuerySchema):
    """Which page."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> BudgetQuery:
        """The loaded fields as one value."""
        return BudgetQuery(**loaded)


class BudgetPatchSchema(StrictSchema):
    """A change of a budget: what is left out stays, null takes a limit away."""

    soft_limit_usd = Money(allow_none=True)
    hard_limit_usd = Money(allow_none=True)

    @post_load
    def make(self, loaded: dict[str, Decimal | None], **_: object) -> BudgetEdit:
        """The loaded fields as one value."""
        return BudgetEdit(changes=dict(loaded))


class BudgetWriteSchema(StrictSchema):
    """A new budget."""

    subject_kind = fields.String(required=True, validate=validate.OneOf(SUBJECT_KINDS))
    subject_id = Id(required=True)
    period = fields.String(
        required=True,
        validate=validate.OneOf(PERIODS),
        metadata={"description": PERIOD_ABOUT},
    )
    soft_limit_usd = Money(load_default=None, allow_none=True)
    hard_limit_usd = Money(load_default=None, allow_none=True)

    @validates_schema
    def check_limits(self, loaded: dict[str, Any], **_: object) -> None:
        """A budget limits something."""
        if loaded["soft_limit_usd"] is None and loaded["hard_limit_usd"] is None:
            raise ValidationError("Give a soft or a hard limit.", "hard_limit_usd")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> NewBudget:
        """The loaded fields as one value."""
        return NewBudget(**loaded)


class BudgetSchema(Schema):
    """A budget with what its present period has spent. Unpriced calls count nothing."""

    id = fields.String(required=True)
    subject_kind = fields.String(required=True)
    subject_id = fields.String(required=True)
    period = fields.String(required=True)
    soft_limit_usd = Money(required=True, allow_none=True)
    hard_limit_usd = Money(required=True, allow_none=True)
    spent_usd = Money(required=True)
    soft_exceeded = fields.Boolean(required=True)
    hard_exceeded = fields.Boolean(required=True)
    period_from = Day(required=True)
    period_to = Day(required=True, metadata={"description": "The day after its last."})
    created_at = UtcTime(required=True)
    updated_at = UtcTime(required=True)
