"""`/api/workspaces`: teams that keys and costs can belong to."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.page import PageQuerySchema
from schemas.workspaces import (
    MemberPatchSchema,
    MemberSchema,
    MembersSchema,
    MemberWriteSchema,
    NewMember,
    WorkspaceQuery,
    WorkspaceQuerySchema,
    WorkspaceSchema,
    WorkspacesSchema,
    WorkspaceWriteSchema,
)
from services import members, workspaces
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("workspaces", "/api/workspaces", "Workspaces and their members.")


@routes.get("")
@require("workspaces:read")
@query(WorkspaceQuerySchema)
@returns(WorkspacesSchema)
@cached_response
def list_workspaces(principal: Principal, asked: WorkspaceQuery) -> CachedResult[dict[str, Any]]:
    """List the workspaces that the caller belongs to."""
    return workspaces.list_workspaces(principal, asked)


@routes.post("")
@require("workspaces:write")
@idempotent()
@body(WorkspaceWriteSchema)
@returns(WorkspaceSchema, 201)
def create_workspace(principal: Principal, new: dict[str, str]) -> dict[str, Any]:
    """Make a workspace, whose owner is the caller."""
    return workspaces.create_workspace(principal, new["name"])


@routes.get("/<workspace_id>")
@require("workspaces:read")
@returns(WorkspaceSchema)
@cached_response
def get_workspace(principal: Principal, workspace_id: str) -> CachedResult[dict[str, Any]]:
    """Show a workspace."""
    return workspaces.get_workspace(principal, workspace_id)


@routes.patch("/<workspace_id>")
@require("workspaces:write")
@body(WorkspaceWriteSchema)
@returns(WorkspaceSchema)
@takes(IF_MATCH)
def edit_workspace(
    principal: Principal, edit: dict[str, str], workspace_id: str, if_match: str | None
) -> dict[str, Any]:
    """Rename a workspace."""
    return workspaces.edit_workspace(principal, workspace_id, edit["name"], if_match=if_match)


@routes.delete("/<workspace_id>")
@require("workspaces:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_workspace(principal: Principal, workspace_id: str, if_match: str | None) -> None:
    """Delete a workspace; the keys bound to it are revoked, its costs stay booked."""
    workspaces.delete_workspace(principal, workspace_id, if_match=if_match)


@routes.get("/<workspace_id>/members")
@require("workspaces:read")
@query(PageQuerySchema)
@returns(MembersSchema)
@cached_response
def list_members(
    principal: Principal, asked: dict[str, Any], workspace_id: str
) -> CachedResult[dict[str, Any]]:
    """List the members of a workspace."""
    return members.list_members(principal, workspace_id, **asked)


@routes.post("/<workspace_id>/members")
@require("workspaces:write")
@idempotent()
@body(MemberWriteSchema)
@returns(MemberSchema, 201)
def add_member(principal: Principal, new: NewMember, workspace_id: str) -> dict[str, Any]:
    """Have a user belong to a workspace."""
    return members.add_member(principal, workspace_id, new)


@routes.patch("/<workspace_id>/members/<user_id>")
@require("workspaces:write")
@body(MemberPatchSchema)
@returns(MemberSchema)
@takes(IF_MATCH)
def edit_member(
    principal: Principal,
    edit: dict[str, str],
    workspace_id: str,
    user_id: str,
    if_match: str | None,
) -> dict[str, Any]:
    """Give a member another role."""
    return members.edit_member(principal, workspace_id, user_id, edit["role"], if_match=if_match)


@routes.delete("/<workspace_id>/members/<user_id>")
@require("workspaces:write")
@returns(status=204)
@takes(IF_MATCH)
def remove_member(
    principal: Principal, workspace_id: str, user_id: str, if_match: str | None
) -> None:
    """Have a user belong to a workspace no more."""
    members.remove_member(principal, workspace_id, user_id, if_match=if_match)
