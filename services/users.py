"""Users: who they are, and what they may do on the whole installation.

A change of role or activity bumps every key of the user, so it holds on every worker from the next
request on.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cache.namespaces import USERS, WORKSPACES
from cache.results import CachedResult
from cache.scopes import EVERYONE, Everyone, UserId, WorkspaceId
from database.session import read_session
from database.tables.users import ApiKey, User, Workspace, WorkspaceMember
from schemas.me import MeSchema
from schemas.users import NewUser, UserEdit, UserQuery, UserSchema
from services import audit_logs, keys
from services.errors import Conflict, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.permissions import SENIOR_ROLES, granted
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = ["add_user", "create_user", "edit_user", "get_me", "get_user", "list_users"]

LISTING = "users"
MAX_USERS = 100_000
_ONE = UserSchema()


def get_me(principal: Principal) -> CachedResult[dict[str, Any]]:
    """The caller: user, key, permissions, workspaces."""
    return load_me(principal.user_id, principal.key_id)


@USERS.read("me")
def load_me(owner: UserId, key_id: str) -> dict[str, Any]:
    """What `get_me` shows, from the tables."""
    joined = (
        select(Workspace, WorkspaceMember.role)
        .join(WorkspaceMember, WorkspaceMember.workspace_id == Workspace.id)
        .where(WorkspaceMember.user_id == owner)
        .order_by(Workspace.id)
    )
    with read_session() as session:
        user = session.get_one(User, owner)
        key = session.get_one(ApiKey, key_id)
        workspaces = [
            {
                "id": row.id,
                "name": row.name,
                "role": role,
                "created_at": row.created_at,
                "updated_at": row.updated_at,
            }
            for row, role in session.execute(joined)
        ]
    me = {
        "user": user,
        "key": key,
        "role": user.role,
        "permissions": sorted(granted(user.role, key.scopes)),
        "workspaces": workspaces,
    }
    dumped: dict[str, Any] = MeSchema().dump(me)
    return dumped


def list_users(asked: UserQuery) -> CachedResult[dict[str, Any]]:
    """A page of the users, in the order they were made.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    return load_users(EVERYONE, asked)


@USERS.read("list")
def load_users(everyone: Everyone, asked: UserQuery) -> dict[str, Any]:
    """The page itself, from the table."""
    del everyone  # the view over all users has no owner to filter by
    statement = select(User).order_by(User.id)
    if asked.cursor:
        statement = statement.where(User.id > decode_cursor(LISTING, asked.cursor, (str,))[0])
    if asked.role is not None:
        statement = statement.where(User.role == asked.role)
    if asked.is_active is not None:
        statement = statement.where(User.is_active.is_(asked.is_active))
    if asked.email is not None:
        statement = statement.where(User.email == asked.email)
    with read_session() as session:
        rows = session.scalars(statement.limit(asked.limit + 1)).all()
        return page_of(rows, asked.limit, _dump, lambda row: encode_cursor(LISTING, (row.id,)))


def get_user(user_id: str) -> CachedResult[dict[str, Any]]:
    """One user.

    Raises:
        NotFound: there is no such user.
    """
    return load_user(UserId(user_id))


@USERS.read("detail")
def load_user(user_id: UserId) -> dict[str, Any]:
    """The user, from the table."""
    with read_session() as session:
        row = session.get(User, user_id)
        if row is None:
            raise NotFound.of("user", user_id)
        return _dump(row)


def create_user(principal: Principal, new: NewUser) -> dict[str, Any]:
    """Make a user, who comes in once a key is made for them.

    Raises:
        Forbidden: an owner or admin is made by somebody who may not.
        Conflict: another user has the e-mail address, or there are as many as there may be.
    """
    if new.role in SENIOR_ROLES:
        principal.must("users:write_admins")
    with unit_of_work() as work:
        row = add_user(work, principal, new)
    return _dump(row)


def add_user(work: UnitOfWork, principal: Principal | None, new: NewUser) -> User:
    """Add a user within `work`.

    Raises:
        Conflict: another user has the e-mail address, or there are as many as there may be.
    """
    _check_email(work.session, new.email)
    if (work.session.scalar(select(func.count()).select_from(User)) or 0) >= MAX_USERS:
        raise Conflict(f"There can be {MAX_USERS} users at most.", code="too_many_users")
    now = runtime().clock.now()
    row = User(name=new.name, email=new.email, role=new.role, created_at=now, updated_at=now)
    work.session.add(row)
    work.session.flush()  # scopes and the record below name the user
    work.invalidates(USERS.of(EVERYONE), USERS.of(UserId(row.id)))
    detail = {"name": new.name, "email": new.email, "role": new.role}
    audit_logs.record(work, principal, "user.created", "user", row.id, detail)
    return row


def edit_user(
    principal: Principal, user_id: str, edit: UserEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change a user's name, e-mail address, role or activity.

    Raises:
        NotFound: there is no such user.
        Forbidden: it makes or changes an owner or admin, and the caller may not.
        Conflict: no owner would be left, or another user has the e-mail address.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        owners = _locked_owners(work.session) if edit.changes.keys() & {"role", "is_active"} else []
        row = work.session.scalar(
            select(User).where(User.id == user_id).with_for_update(key_share=True)
        )
        if row is None:
            raise NotFound.of("user", user_id)
        check_precondition(if_match, _dump(row))
        _check_rank(principal, row, edit)
        if "email" in edit.changes:
            _check_email(work.session, edit.changes["email"], but=user_id)
        for name, value in edit.changes.items():
            setattr(row, name, value)
        if owners == [user_id] and (row.role != "owner" or not row.is_active):
            raise Conflict("The last owner stays: make another one first.", code="last_owner")
        row.updated_at = runtime().clock.now()
        _invalidate(work, user_id)
        audit_logs.record(work, principal, "user.changed", "user", user_id, edit.changes)
    return _dump(row)


def _dump(row: User) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _locked_owners(session: Session) -> list[str]:
    """The ids of all active owners, locked in one order, so that two cannot both be the last."""
    return list(
        session.scalars(
            select(User.id)
            .where(User.role == "owner", User.is_active.is_(True))
            .order_by(User.id)
            .with_for_update(key_share=True)
        )
    )


def _check_rank(principal: Principal, row: User, edit: UserEdit) -> None:
    principal.must_outrank(row.id, row.role)
    role = edit.changes.get("role", row.role)
    if role != row.role and role in SENIOR_ROLES:
        principal.must("users:write_admins")


def _check_email(session: Session, email: str | None, *, but: str = "") -> None:
    if email is None:
        return
    if session.scalar(select(User.id).where(User.email == email, User.id != but)) is not None:
        raise Conflict("Another user has this e-mail address.", code="email_taken")


def _invalidate(work: UnitOfWork, user_id: str) -> None:
    """Name all that shows the user: lists, keys, and the workspaces they belong to."""
    work.invalidates(USERS.of(EVERYONE), USERS.of(UserId(user_id)))
    keys.forget_principals(work, user_id)
    belongs = select(WorkspaceMember.workspace_id).where(WorkspaceMember.user_id == user_id)
    work.invalidates(*(WORKSPACES.of(WorkspaceId(each)) for each in work.session.scalars(belongs)))
