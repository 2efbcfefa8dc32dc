"""Members of a workspace: who belongs to it, and as what. Its last owner stays."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cache.namespaces import WORKSPACES
from cache.results import CachedResult
from cache.scopes import WorkspaceId
from database.session import read_session
from database.tables.users import User, WorkspaceMember
from schemas.workspaces import MemberSchema, NewMember
from services import audit_logs, keys
from services.errors import Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from services.workspaces import acting_in, check_room, get_workspace, invalidate_members

__all__ = ["add_member", "edit_member", "list_members", "remove_member"]

LISTING = "members"
MAX_MEMBERS = 500
_ONE = MemberSchema()


def list_members(
    principal: Principal, workspace_id: str, *, limit: int, cursor: str | None
) -> CachedResult[dict[str, Any]]:
    """A page of the members, in the order of their ids.

    Raises:
        NotFound: there is no such workspace, or the caller does not belong to it.
        Invalid: the cursor is not one of this list.
    """
    get_workspace(principal, workspace_id)
    return load_members(WorkspaceId(workspace_id), limit, cursor)


@WORKSPACES.read("members")
def load_members(workspace_id: WorkspaceId, limit: int, cursor: str | None) -> dict[str, Any]:
    """The page itself, from the tables."""
    statement = (
        select(WorkspaceMember, User)
        .join(User, User.id == WorkspaceMember.user_id)
        .where(WorkspaceMember.workspace_id == workspace_id)
        .order_by(WorkspaceMember.user_id)
        .limit(limit + 1)
    )
    if cursor:
        after = decode_cursor(LISTING, cursor, (str,))[0]
        statement = statement.where(WorkspaceMember.user_id > after)
    with read_session() as session:
        rows = [(member, user) for member, user in session.execute(statement)]
    return page_of(
        rows,
        limit,
        lambda each: _dump(*each),
        lambda each: encode_cursor(LISTING, (each[0].user_id,)),
    )


def add_member(principal: Principal, workspace_id: str, new: NewMember) -> dict[str, Any]:
    """Have a user belong to a workspace.

    Raises:
        NotFound: there is no such workspace, or the caller does not belong to it.
        Forbidden: the caller's role in it is too low.
        Invalid: there is no such active user.
        Conflict: the user belongs to it already, or there are as many as there may be.
    """
    with unit_of_work() as work:
        acting = acting_in(work.session, principal, workspace_id)
        acting.must_rank("owner" if new.role == "owner" else "admin")
        user = _named_user(work.session, new)
        if work.session.get(WorkspaceMember, (workspace_id, user.id)) is not None:
            raise Conflict("The user belongs to the workspace already.", code="already_member")
        check_room(work.session, user.id)
        _check_count(work.session, workspace_id)
        row = WorkspaceMember(
            workspace_id=workspace_id,
            user_id=user.id,
            role=new.role,
            joined_at=runtime().clock.now(),
        )
        work.session.add(row)
        invalidate_members(work, workspace_id, user.id)
        detail = {"user_id": user.id, "role": new.role}
        audit_logs.record(work, principal, "member.added", "workspace", workspace_id, detail)
    return _dump(row, user)


def edit_member(
    principal: Principal,
    workspace_id: str,
    user_id: str,
    role: str,
    *,
    if_match: str | None = None,
) -> dict[str, Any]:
    """Give a member another role; who becomes a viewer loses the keys bound to the workspace.

    Raises:
        NotFound: there is no such workspace or member, or the caller does not belong to it.
        Forbidden: the caller's role in it is too low.
        Conflict: no owner would be left.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        acting = acting_in(work.session, principal, workspace_id)
        row, user = _member(work.session, workspace_id, user_id)
        acting.must_rank("owner" if "owner" in {role, row.role} else "admin")
        check_precondition(if_match, _dump(row, user))
        if row.role == "owner" and role != "owner":
            _check_other_owner(work.session, workspace_id, user_id)
        row.role = role
        revoked: list[str] = []
        if role == "viewer":
            revoked = keys.revoke_workspace_keys(work, workspace_id, user_id=user_id)
        invalidate_members(work, workspace_id, user_id)
        detail = {"user_id": user_id, "role": role, "revoked_keys": revoked}
        audit_logs.record(work, principal, "member.changed", "workspace", workspace_id, detail)
    return _dump(row, user)


def remove_member(
    principal: Principal, workspace_id: str, user_id: str, *, if_match: str | None = None
) -> None:
    """Have a user belong to a workspace no more; their keys bound to it are revoked.

    Everybody may leave by themselves.

    Raises:
        NotFound: there is no such workspace or member, or the caller does not belong to it.
        Forbidden: the caller's role in it is too low.
        Conflict: no owner would be left.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        acting = acting_in(work.session, principal, workspace_id)
        row, user = _member(work.session, workspace_id, user_id)
        if user_id != principal.user_id:
            acting.must_rank("owner" if row.role == "owner" else "admin")
        check_precondition(if_match, _dump(row, user))
        if row.role == "owner":
            _check_other_owner(work.session, workspace_id, user_id)
        revoked = keys.revoke_workspace_keys(work, workspace_id, user_id=user_id)
        work.session.delete(row)
        invalidate_members(work, workspace_id, user_id)
        detail = {"user_id": user_id, "revoked_keys": revoked}
        audit_logs.record(work, principal, "member.removed", "workspace", workspace_id, detail)


def _dump(row: WorkspaceMember, user: User) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(
        {
            "user_id": row.user_id,
            "name": user.name,
            "email": user.email,
            "role": row.role,
            "joined_at": row.joined_at,
        }
    )
    return dumped


def _named_user(session: Session, new: NewMember) -> User:
    column, value = (User.email, new.email) if new.email else (User.id, new.user_id)
    wanted = select(User).where(column == value, User.is_active.is_(True))
    # Locked, so that a new name reaches the list.
    user = session.scalar(wanted.with_for_update(key_share=True))
    if user is None:
        field = "email" if new.email else "user_id"
        raise Invalid.field(field, "There is no such active user.")
    return user


def _member(session: Session, workspace_id: str, user_id: str) -> tuple[WorkspaceMember, User]:
    row = session.scalar(
        select(WorkspaceMember)
        .where(WorkspaceMember.workspace_id == workspace_id, WorkspaceMember.user_id == user_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound.of("member", user_id)
    return row, session.get_one(User, user_id)


def _check_other_owner(session: Session, workspace_id: str, user_id: str) -> None:
    """The workspace's row is locked, so two owners cannot leave each other behind."""
    other = session.scalar(
        select(WorkspaceMember.user_id)
        .where(
            WorkspaceMember.workspace_id == workspace_id,
            WorkspaceMember.role == "owner",
            WorkspaceMember.user_id != user_id,
        )
        .limit(1)
    )
    if other is None:
        sentence = "The last owner stays: make another one first, or delete the workspace."
        raise Conflict(sentence, code="last_owner")


def _check_count(session: Session, workspace_id: str) -> None:
    count = session.scalar(
        select(func.count())
        .select_from(WorkspaceMember)
        .where(WorkspaceMember.workspace_id == workspace_id)
    )
    if (count or 0) >= MAX_MEMBERS:
        sentence = f"There can be {MAX_MEMBERS} members at most."
        raise Conflict(sentence, code="too_many_members")
