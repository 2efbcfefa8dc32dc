"""API keys: made once, shown once, kept as a keyed hash, revoked for good.

Whose a key is stands in `services/authentication.py`.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cache.namespaces import PERMISSIONS, USERS
from cache.results import CachedResult
from cache.scopes import KeyHash, UserId
from database.session import read_session
from database.tables.costs import Budget
from database.tables.users import ApiKey, User, WorkspaceMember
from schemas.keys import KeyEdit, KeyQuery, KeySchema, NewKey
from services import audit_logs
from services.errors import Conflict, Forbidden, Invalid, NotFound
from services.key_rules import check_gift, check_own
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.secrets import new_api_key
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "add_key",
    "create_key",
    "edit_key",
    "forget_principals",
    "list_keys",
    "revoke_key",
    "revoke_workspace_keys",
]

HINT_CHARS = 4
LISTING = "keys"
MAX_KEYS = 200
SPENDING_ROLES = ("owner", "admin", "member")
COLUMNS = (
    "workspace_id",
    "scopes",
    "expires_at",
    "requests_per_minute",
    "tokens_per_minute",
    "max_concurrent_streams",
    "response_cache_ttl_s",
)
_ONE = KeySchema()


def add_key(
    work: UnitOfWork, owner: UserId, name: str, *, secret: str | None = None, **options: Any
) -> tuple[ApiKey, str]:
    """Add a key of `owner` within `work`.

    Args:
        work: the transaction.
        owner: whose key it is.
        name: what people call it.
        secret: the secret to use; a new one is made if absent.
        options: further columns of `ApiKey` (`scopes`, `expires_at`, `workspace_id`, limits).

    Returns:
        The row, and the secret that is never to be seen again.
    """
    secret = secret or new_api_key()
    columns = {"scopes": ["*"], **options}
    row = ApiKey(
        user_id=owner,
        name=name,
        hint=secret[-HINT_CHARS:],
        secret_hash=runtime().secrets.hash_api_key(secret),
        created_at=runtime().clock.now(),
        **columns,
    )
    work.session.add(row)
    _invalidate(work, row)
    return row, secret


def list_keys(principal: Principal, asked: KeyQuery) -> CachedResult[dict[str, Any]]:
    """A page of the keys of the caller, or of the user asked for, in the order they were made.

    Raises:
        Forbidden: another's keys are asked for without `keys:write_all`.
        Invalid: the cursor is not one of this list.
    """
    owner = UserId(asked.user_id or principal.user_id)
    if owner != principal.user_id:
        principal.must("keys:write_all")
    return load_keys(owner, asked.limit, asked.cursor)


@PERMISSIONS.read("keys")
def load_keys(owner: UserId, limit: int, cursor: str | None) -> dict[str, Any]:
    """The page itself, from the table."""
    statement = select(ApiKey).where(ApiKey.user_id == owner).order_by(ApiKey.id)
    if cursor:
        statement = statement.where(ApiKey.id > decode_cursor(LISTING, cursor, (str,))[0])
    with read_session() as session:
        rows = session.scalars(statement.limit(limit + 1)).all()
        return page_of(rows, limit, _ONE.dump, lambda row: encode_cursor(LISTING, (row.id,)))


def create_key(principal: Principal, new: NewKey) -> dict[str, Any]:
    """Make a key.

    Returns:
        The key as it is read, and its `secret`, which is never to be seen again.

    Raises:
        Forbidden: the caller gives what their own key has not, has a budget on it, or may not speak
            for the user.
        Invalid: a scope, the expiry, the user or the workspace is not what it must be.
        Conflict: the user has as many keys as there may be.
    """
    columns = {name: getattr(new, name) for name in COLUMNS}
    with unit_of_work() as work:
        giver = work.session.get_one(ApiKey, principal.key_id)
        columns["scopes"] = list(new.scopes) if new.scopes else list(giver.scopes)
        columns["workspace_id"] = new.workspace_id or giver.workspace_id
        user = _user_to_key(work.session, principal, new.user_id)
        check_own(columns, runtime().clock.now())
        check_gift(principal, giver, user, columns)
        _check_own_budget(work.session, principal)
        _check_workspace(work.session, user, columns["workspace_id"])
        _check_count(work.session, user)
        row, secret = add_key(work, UserId(user.id), new.name, **columns)
        work.session.flush()  # the record below names the key
        detail = {name: getattr(row, name) for name in ("name", "user_id", *COLUMNS)}
        audit_logs.record(work, principal, "key.created", "key", row.id, detail)
    return {**_dump(row), "secret": secret}


def edit_key(
    principal: Principal, key_id: str, edit: KeyEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change a key's name, scopes, expiry or limits.

    Raises:
        NotFound: the caller sees no such key.
        Forbidden: the caller gives what their own key has not, or may not speak for the user.
        Invalid: a scope or the expiry is not what it must be.
        Conflict: the key is revoked.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row, user = _key_of(work.session, principal, key_id)
        check_precondition(if_match, _dump(row))
        if row.revoked_at is not None:
            raise Conflict("The key is revoked; make a new one.", code="key_revoked")
        check_own(edit.changes, runtime().clock.now())
        giver = work.session.get_one(ApiKey, principal.key_id)
        check_gift(principal, giver, user, edit.changes)
        for name, value in edit.changes.items():
            setattr(row, name, value)
        _invalidate(work, row)
        audit_logs.record(work, principal, "key.changed", "key", key_id, edit.changes)
    return _dump(row)


def revoke_key(principal: Principal, key_id: str, *, if_match: str | None = None) -> None:
    """Revoke a key: it holds on every worker from the next request on.

    Raises:
        NotFound: the caller sees no such key.
        Forbidden: the caller may not speak for its user.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row, _ = _key_of(work.session, principal, key_id)
        check_precondition(if_match, _dump(row))
        if row.revoked_at is None:
            row.revoked_at = runtime().clock.now()
            _invalidate(work, row)
            audit_logs.record(work, principal, "key.revoked", "key", key_id, {"name": row.name})


def revoke_workspace_keys(
    work: UnitOfWork, workspace_id: str, *, user_id: str | None = None
) -> list[str]:
    """Revoke and unbind the keys of a workspace within `work`, or those of one of its members.

    Returns:
        The ids of the keys that were still good.
    """
    statement = select(ApiKey).where(ApiKey.workspace_id == workspace_id).with_for_update()
    if user_id is not None:
        statement = statement.where(ApiKey.user_id == user_id)
    revoked: list[str] = []
    for row in work.session.scalars(statement):
        if row.revoked_at is None:
            row.revoked_at = runtime().clock.now()
            revoked.append(row.id)
        row.workspace_id = None
        _invalidate(work, row)
    return revoked


def forget_principals(work: UnitOfWork, user_id: str) -> None:
    """Have every key of a user looked up anew: what stands behind it changes in `work`.

    The caller holds the user's row locked, as `create_key` does, so that no key escapes.
    """
    hashes = work.session.scalars(
        select(ApiKey.secret_hash).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    )
    work.invalidates(*(PERMISSIONS.of(KeyHash(each)) for each in hashes))


def _dump(row: ApiKey) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _invalidate(work: UnitOfWork, row: ApiKey) -> None:
    owner = UserId(row.user_id)
    work.invalidates(
        PERMISSIONS.of(KeyHash(row.secret_hash)), PERMISSIONS.of(owner), USERS.of(owner)
    )


def _user_to_key(session: Session, principal: Principal, user_id: str | None) -> User:
    """The user a new key is for, locked against changes of their role."""
    wanted = user_id or principal.user_id
    if wanted != principal.user_id:
        principal.must("keys:write_all")
    user = session.scalar(select(User).where(User.id == wanted).with_for_update(key_share=True))
    if user is None or not user.is_active:
        raise Invalid.field("user_id", f"There is no active user “{wanted[:80]}”.")
    principal.must_outrank(user.id, user.role)
    return user


def _key_of(session: Session, principal: Principal, key_id: str) -> tuple[ApiKey, User]:
    """A key that the caller may change, with its user, both locked."""
    owner = session.scalar(select(ApiKey.user_id).where(ApiKey.id == key_id))
    if owner is None or (owner != principal.user_id and not principal.may("keys:write_all")):
        raise NotFound.of("key", key_id)
    user = session.scalars(
        select(User).where(User.id == owner).with_for_update(key_share=True)
    ).one()
    principal.must_outrank(user.id, user.role)
    return session.scalars(select(ApiKey).where(ApiKey.id == key_id).with_for_update()).one(), user


def _check_own_budget(session: Session, principal: Principal) -> None:
    """A budget of a key counts that key alone: what is made with it would have none.

    Who may change budgets could lift it as well.
    """
    if principal.may("costs:write"):
        return
    limited = select(Budget.id).where(
        Budget.subject_kind == "key",
        Budget.subject_id == principal.key_id,
        Budget.hard_limit_usd.is_not(None),
    )
    if session.scalar(limited.limit(1)) is not None:
        raise Forbidden("A key with a hard budget of its own makes no other keys.")


def _check_workspace(session: Session, user: User, workspace_id: str | None) -> None:
    if workspace_id is None:
        return
    role = session.scalar(
        select(WorkspaceMember.role)
        .where(WorkspaceMember.workspace_id == workspace_id, WorkspaceMember.user_id == user.id)
        .with_for_update()
    )
    if role not in SPENDING_ROLES:
        sentence = "The user is no member who may spend for such a workspace."
        raise Invalid.field("workspace_id", sentence)


def _check_count(session: Session, user: User) -> None:
    count = session.scalar(
        select(func.count())
        .select_from(ApiKey)
        .where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    )
    if (count or 0) >= MAX_KEYS:
        raise Conflict(f"There can be {MAX_KEYS} keys at most.", code="too_many_keys")
