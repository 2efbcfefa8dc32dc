"""`/api/costs/budgets`: what a workspace, user or key may spend."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.costs_budgets import (
    BudgetEdit,
    BudgetPatchSchema,
    BudgetQuery,
    BudgetQuerySchema,
    BudgetSchema,
    BudgetWriteSchema,
    NewBudget,
)
from schemas.page import page_schema
from services.costs import budgets
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("budgets", "/api/costs/budgets", "Limits of spending.")


@routes.get("")
@require("costs:read")
@query(BudgetQuerySchema)
@returns(page_schema(BudgetSchema))
@cached_response
def list_budgets(principal: Principal, asked: BudgetQuery) -> CachedResult[dict[str, Any]]:
    """List budgets with what was spent: all, or the caller's own and those of their keys."""
    return budgets.list_budgets(principal, asked)


@routes.post("")
@require("costs:write")
@idempotent()
@body(BudgetWriteSchema)
@returns(BudgetSchema, 201)
def create_budget(principal: Principal, new: NewBudget) -> dict[str, Any]:
    """Make a budget."""
    return budgets.create_budget(principal, new)


@routes.patch("/<budget_id>")
@require("costs:write")
@body(BudgetPatchSchema)
@returns(BudgetSchema)
@takes(IF_MATCH)
def edit_budget(
    principal: Principal, edit: BudgetEdit, budget_id: str, if_match: str | None
) -> dict[str, Any]:
    """Change the limits of a budget."""
    return budgets.edit_budget(principal, budget_id, edit, if_match=if_match)


@routes.delete("/<budget_id>")
@require("costs:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_budget(principal: Principal, budget_id: str, if_match: str | None) -> None:
    """Delete a budget."""
    budgets.delete_budget(principal, budget_id, if_match=if_match)
