"""Budgets that may be made."""

from decimal import Decimal

import pytest
from marshmallow import ValidationError

from schemas.costs_budgets import BudgetPatchSchema, BudgetWriteSchema

PLAIN = {"subject_kind": "user", "subject_id": "u1", "period": "day", "hard_limit_usd": "5"}


def test_a_limit_of_zero_is_a_limit():
    """Zero says “nothing”, null says “no limit”."""
    loaded = BudgetWriteSchema().load({**PLAIN, "hard_limit_usd": "0"})

    assert loaded.hard_limit_usd == Decimal(0)
    assert loaded.soft_limit_usd is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hard_limit_usd": "-1"}, "hard_limit_usd"),
        ({"hard_limit_usd": "1e2"}, "hard_limit_usd"),
        ({"hard_limit_usd": 5}, "hard_limit_usd"),
        ({"hard_limit_usd": None}, "hard_limit_usd"),
        ({"soft_limit_usd": "1000000.01"}, "soft_limit_usd"),
        ({"soft_limit_usd": "NaN"}, "soft_limit_usd"),
        ({"period": "year"}, "period"),
        ({"subject_kind": "model"}, "subject_kind"),
        ({"subject_id": ""}, "subject_id"),
        ({"spent_usd": "0"}, "spent_usd"),
    ],
)
def test_a_budget_that_says_nothing_clear_is_refused_by_name(change, field):
    """A limit that was misread is worse than none."""
    with pytest.raises(ValidationError) as refused:
        BudgetWriteSchema().load(PLAIN | change)

    assert list(refused.value.normalized_messages()) == [field]


def test_a_change_names_only_what_changes():
    """Null takes a limit away; what is left out stays."""
    loaded = BudgetPatchSchema().load({"soft_limit_usd": None})

    assert loaded.changes == {"soft_limit_usd": None}
