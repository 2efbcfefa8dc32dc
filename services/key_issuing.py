"""Keys made at the terminal: whoever can run commands on the machine may make any."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cache.scopes import UserId
from database.tables.users import User
from schemas.keys import CreatedKeySchema
from schemas.users import NewUser
from services import audit_logs, keys, users
from services.errors import Conflict
from services.key_rules import check_own
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = ["issue_key"]


def issue_key(
    wanted: NewUser,
    name: str,
    *,
    has_role: bool,
    scopes: list[str],
    lifetime: timedelta | None,
) -> dict[str, Any]:
    """Make a key for a user, who is made too where there is none.

    Args:
        wanted: the user, found by e-mail address, else by id or name; made as it says.
        name: what people call the key.
        has_role: whether the role of `wanted` was asked for, not just the usual one.
        scopes: what the key may do.
        lifetime: how long it is good; `None` for ever.

    Returns:
        The key as it is read, its `secret`, and `user`: who it is for.

    Raises:
        Invalid: there is no such scope.
        Conflict: several users have the name, or the one that has it is another role's or inactive.
    """
    now = runtime().clock.now()
    columns: dict[str, Any] = {"scopes": scopes, "expires_at": now + lifetime if lifetime else None}
    check_own(columns, now)
    with unit_of_work() as work:
        user = _user(work, wanted, has_role=has_role)
        row, secret = keys.add_key(work, UserId(user.id), name, **columns)
        work.session.flush()  # the record below names the key
        detail = {"name": name, "user_id": user.id, **columns}
        audit_logs.record(work, None, "key.created", "key", row.id, detail)
        shown = {each: getattr(row, each, None) for each in CreatedKeySchema().fields}
    dumped: dict[str, Any] = CreatedKeySchema().dump({**shown, "secret": secret})
    return {**dumped, "user": {"id": user.id, "name": user.name, "role": user.role}}


def _user(work: UnitOfWork, wanted: NewUser, *, has_role: bool) -> User:
    found = _find(work.session, wanted)
    if len(found) > 1:
        raise Conflict("Several users have this name: give the id of the one that is meant.")
    if not found:
        return users.add_user(work, None, wanted)
    (user,) = found
    if not user.is_active:
        raise Conflict(f"{user.name} is not active: let an owner activate them first.")
    if has_role and user.role != wanted.role:
        raise Conflict(f"{user.name} has the role {user.role}: leave --role out, or change it.")
    return user


def _find(session: Session, wanted: NewUser) -> list[User]:
    statement = select(User).with_for_update().limit(2)
    if wanted.email is not None:
        return list(session.scalars(statement.where(User.email == wanted.email)))
    by_id = session.scalars(statement.where(User.id == wanted.name)).all()
    return list(by_id or session.scalars(statement.where(User.name == wanted.name)))
