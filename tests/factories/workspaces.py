"""Workspaces with their members."""

from flask import Flask

from cache.namespaces import USERS, WORKSPACES
from cache.scopes import EVERYONE, UserId, WorkspaceId
from database.tables.users import User, Workspace, WorkspaceMember
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.doubles.api_client import ApiClient

__all__ = ["make_crowd", "make_memberships", "make_workspace"]


def make_workspace(owner: ApiClient, /, **members: ApiClient) -> str:
    """A workspace of `owner`; each further client belongs to it in the role it is named by.

    Returns:
        The path of the workspace.
    """
    path = f"/api/workspaces/{owner.post('/api/workspaces', json={'name': 'Lab'}).get_json()['id']}"
    for role, client in members.items():
        added = owner.post(f"{path}/members", json={"user_id": client.user_id, "role": role})
        assert added.status_code == 201, added.text
    return path


def make_memberships(app: Flask, user_id: str, count: int) -> None:
    """`count` workspaces that a user belongs to."""
    with app.app_context(), unit_of_work() as work:
        now = runtime().clock.now()
        rows = [Workspace(name="Lab", created_at=now, updated_at=now) for _ in range(count)]
        work.session.add_all(rows)
        work.session.flush()  # the memberships name the workspaces
        work.session.add_all(
            WorkspaceMember(workspace_id=row.id, user_id=user_id, role="member", joined_at=now)
            for row in rows
        )
        work.invalidates(WORKSPACES.of(UserId(user_id)), USERS.of(UserId(user_id)))


def make_crowd(app: Flask, workspace_id: str, count: int) -> None:
    """`count` new users who belong to a workspace."""
    with app.app_context(), unit_of_work() as work:
        now = runtime().clock.now()
        users = [
            User(name="One of many", role="member", created_at=now, updated_at=now)
            for _ in range(count)
        ]
        work.session.add_all(users)
        work.session.flush()  # the memberships name the users
        work.session.add_all(
            WorkspaceMember(
                workspace_id=workspace_id, user_id=user.id, role="member", joined_at=now
            )
            for user in users
        )
        work.invalidates(WORKSPACES.of(WorkspaceId(workspace_id)), USERS.of(EVERYONE))
