"""Workspaces: teams that keys and costs can belong to. Who is no member cannot tell they exist.

An administrator of the installation (`workspaces:write_all`) acts as an owner of each.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cache.namespaces import USERS, WORKSPACES
from cache.results import CachedResult
from cache.scopes import EVERYONE, Everyone, UserId, WorkspaceId
from database.session import read_session
from database.tables.users import User, Workspace, WorkspaceMember
from schemas.workspaces import WorkspaceQuery, WorkspaceSchema
from services import audit_logs, keys
from services.errors import Conflict, Forbidden, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "Acting",
    "acting_in",
    "check_room",
    "create_workspace",
    "delete_workspace",
    "edit_workspace",
    "get_workspace",
    "invalidate_members",
    "list_workspaces",
]

LISTING = "workspaces"
MAX_WORKSPACES = 200
RANKS = {"viewer": 0, "member": 1, "admin": 2, "owner": 3}
_ONE = WorkspaceSchema()


def list_workspaces(principal: Principal, asked: WorkspaceQuery) -> CachedResult[dict[str, Any]]:
    """A page of the caller's workspaces, or of all, in the order they were made.

    Raises:
        Forbidden: all are asked for without `workspaces:write_all`.
        Invalid: the cursor is not one of this list.
    """
    if asked.everyones:
        principal.must("workspaces:write_all")
        return load_all(EVERYONE, asked.limit, asked.cursor)
    return load_of_user(principal.user_id, asked.limit, asked.cursor)


@WORKSPACES.read("list")
def load_of_user(owner: UserId, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the workspaces that a user belongs to, with their role in each."""
    statement = (
        select(Workspace, WorkspaceMember.role)
        .join(WorkspaceMember, WorkspaceMember.workspace_id == Workspace.id)
        .where(WorkspaceMember.user_id == owner, Workspace.id > _position(cursor))
        .order_by(Workspace.id)
        .limit(limit + 1)
    )
    with read_session() as session:
        rows = [(row, role) for row, role in session.execute(statement)]
    return page_of(rows, limit, lambda each: _dump(*each), lambda each: _cursor(each[0]))


@WORKSPACES.read("list")
def load_all(everyone: Everyone, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of all workspaces, as seen from outside."""
    del everyone  # the view over all users has no owner to filter by
    statement = select(Workspace).where(Workspace.id > _position(cursor)).order_by(Workspace.id)
    with read_session() as session:
        rows = session.scalars(statement.limit(limit + 1)).all()
    return page_of(rows, limit, lambda row: _dump(row, None), _cursor)


def get_workspace(principal: Principal, workspace_id: str) -> CachedResult[dict[str, Any]]:
    """One workspace of the caller's.

    Raises:
        NotFound: there is none, or the caller does not belong to it.
    """
    sees_all = principal.may("workspaces:write_all")
    return load_workspace(WorkspaceId(workspace_id), principal.user_id, sees_all=sees_all)


@WORKSPACES.read("detail")
def load_workspace(workspace_id: WorkspaceId, user_id: UserId, *, sees_all: bool) -> dict[str, Any]:
    """One workspace as a user sees it.

    Raises:
        NotFound: there is none, or the user does not see it.
    """
    with read_session() as session:
        row = session.get(Workspace, workspace_id)
        role = _role_of(session, workspace_id, user_id)
    if row is None or (role is None and not sees_all):
        raise NotFound.of("workspace", workspace_id)
    return _dump(row, role)


def create_workspace(principal: Principal, name: str) -> dict[str, Any]:
    """Make a workspace, whose owner is the caller.

    Raises:
        Conflict: the caller belongs to as many as there may be.
    """
    now = runtime().clock.now()
    with unit_of_work() as work:
        # Locked, so that a new name of theirs reaches the list of members.
        work.session.execute(
            select(User.id).where(User.id == principal.user_id).with_for_update(key_share=True)
        )
        check_room(work.session, principal.user_id)
        row = Workspace(name=name, created_at=now, updated_at=now)
        work.session.add(row)
        work.session.flush()  # the member below names the workspace
        work.session.add(
            WorkspaceMember(
                workspace_id=row.id, user_id=principal.user_id, role="owner", joined_at=now
            )
        )
        invalidate_members(work, row.id, principal.user_id)
        audit_logs.record(work, principal, "workspace.created", "workspace", row.id, {"name": name})
    return _dump(row, "owner")


def edit_workspace(
    principal: Principal, workspace_id: str, name: str, *, if_match: str | None = None
) -> dict[str, Any]:
    """Rename a workspace.

    Raises:
        NotFound: there is none, or the caller does not belong to it.
        Forbidden: the caller is neither its owner nor its admin.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        acting = acting_in(work.session, principal, workspace_id)
        acting.must_rank("admin")
        check_precondition(if_match, _dump(acting.workspace, acting.own_role))
        acting.workspace.name = name
        acting.workspace.updated_at = runtime().clock.now()
        invalidate_members(work, workspace_id, *_member_ids(work.session, workspace_id))
        audit_logs.record(
            work, principal, "workspace.changed", "workspace", workspace_id, {"name": name}
        )
    return _dump(acting.workspace, acting.own_role)


def delete_workspace(
    principal: Principal, workspace_id: str, *, if_match: str | None = None
) -> None:
    """Delete a workspace; the keys bound to it are revoked, its costs stay booked.

    Raises:
        NotFound: there is none, or the caller does not belong to it.
        Forbidden: the caller is not its owner.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        acting = acting_in(work.session, principal, workspace_id)
        acting.must_rank("owner")
        check_precondition(if_match, _dump(acting.workspace, acting.own_role))
        invalidate_members(work, workspace_id, *_member_ids(work.session, workspace_id))
        # Members go first: who is just making a key holds their row, and that key is seen below.
        work.session.execute(
            delete(WorkspaceMember).where(WorkspaceMember.workspace_id == workspace_id)
        )
        revoked = keys.revoke_workspace_keys(work, workspace_id)
        work.session.flush()  # the keys let go before what they point at goes
        work.session.delete(acting.workspace)
        detail = {"name": acting.workspace.name, "revoked_keys": revoked}
        audit_logs.record(work, principal, "workspace.deleted", "workspace", workspace_id, detail)


@dataclass(frozen=True)
class Acting:
    """A workspace that somebody acts on, its row locked, and as what they act.

    `own_role` is the caller's role in it, `None` for an administrator outside.
    """

    workspace: Workspace
    own_role: str | None
    acts_as: str

    def must_rank(self, role: str) -> None:
        """Refuse whoever ranks below `role` in the workspace.

        Raises:
            Forbidden: naming the role that is needed.
        """
        if RANKS[self.acts_as] < RANKS[role]:
            raise Forbidden(f"This needs the role {role} in the workspace.")


def acting_in(session: Session, principal: Principal, workspace_id: str) -> Acting:
    """Lock a workspace for a change, which keeps its last owner from leaving twice.

    The lock lets rows be added that point at the workspace, as a key of it that is being made.

    Raises:
        NotFound: there is none, or the caller does not see it.
    """
    row = session.scalar(
        select(Workspace).where(Workspace.id == workspace_id).with_for_update(key_share=True)
    )
    role = _role_of(session, workspace_id, principal.user_id)
    acts_as = "owner" if principal.may("workspaces:write_all") else role
    if row is None or acts_as is None:
        raise NotFound.of("workspace", workspace_id)
    return Acting(row, role, acts_as)


def check_room(session: Session, user_id: str) -> None:
    """Refuse one workspace more for a user who belongs to as many as there may be.

    Raises:
        Conflict: saying how many there may be.
    """
    count = session.scalar(
        select(func.count()).select_from(WorkspaceMember).where(WorkspaceMember.user_id == user_id)
    )
    if (count or 0) >= MAX_WORKSPACES:
        sentence = f"A user can belong to {MAX_WORKSPACES} workspaces at most."
        raise Conflict(sentence, code="too_many_workspaces")


def invalidate_members(work: UnitOfWork, workspace_id: str, *user_ids: str) -> None:
    """Name what shows a workspace: itself, the list of all, and all that its members see."""
    work.invalidates(WORKSPACES.of(WorkspaceId(workspace_id)), WORKSPACES.of(EVERYONE))
    for user_id in user_ids:
        work.invalidates(WORKSPACES.of(UserId(user_id)), USERS.of(UserId(user_id)))


def _dump(row: Workspace, role: str | None) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in ("id", "name", "created_at", "updated_at")}
    dumped: dict[str, Any] = _ONE.dump({**shown, "role": role})
    return dumped


def _role_of(session: Session, workspace_id: str, user_id: str) -> str | None:
    member = session.get(WorkspaceMember, (workspace_id, user_id))
    return member.role if member else None


def _member_ids(session: Session, workspace_id: str) -> list[str]:
    statement = select(WorkspaceMember.user_id).where(WorkspaceMember.workspace_id == workspace_id)
    return list(session.scalars(statement))


def _position(cursor: str | None) -> str:
    return str(decode_cursor(LISTING, cursor, (str,))[0]) if cursor else ""


def _cursor(row: Workspace) -> str:
    return encode_cursor(LISTING, (row.id,))
