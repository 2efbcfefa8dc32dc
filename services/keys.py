"""API keys: made once, shown once, kept as a keyed hash; looked up through the cache.

A revocation bumps the key's own scope, so it holds on every worker from the next request on.
"""

from typing import Any

from sqlalchemy import select

from cache.namespaces import PERMISSIONS
from cache.scopes import KeyHash, UserId, WorkspaceId
from database.session import read_session
from database.tables.users import ApiKey, User
from services.errors import Unauthenticated
from services.permissions import granted
from services.principal import Principal
from services.runtime import runtime
from services.secrets import new_api_key
from services.unit_of_work import UnitOfWork

__all__ = ["add_key", "authenticate", "find_principal"]

HINT_CHARS = 4


def authenticate(secret: str) -> Principal:
    """Whose key `secret` is.

    Raises:
        Unauthenticated: nobody's, or it was revoked or has run out.
    """
    principal = find_principal(KeyHash(runtime().secrets.hash_api_key(secret))).value
    if principal is None:
        raise Unauthenticated("This API key is not valid.", code="invalid_api_key")
    ends_s = principal.expires_at_s
    if ends_s is not None and ends_s <= runtime().clock.now().timestamp():
        raise Unauthenticated("This API key has run out.", code="expired_api_key")
    return principal


@PERMISSIONS.read("principal")
def find_principal(key_hash: KeyHash) -> Principal | None:
    """Who stands behind a key's hash; `None` for an unknown or revoked key or an inactive user."""
    with read_session() as session:
        found = session.execute(
            select(ApiKey, User)
            .join(User, User.id == ApiKey.user_id)
            .where(ApiKey.secret_hash == key_hash)
        ).one_or_none()
    if found is None or found.ApiKey.revoked_at is not None or not found.User.is_active:
        return None
    key, user = found.ApiKey, found.User
    return Principal(
        user_id=UserId(user.id),
        user_name=user.name,
        role=user.role,
        key_id=key.id,
        key_hash=key_hash,
        workspace_id=WorkspaceId(key.workspace_id) if key.workspace_id else None,
        permissions=granted(user.role, key.scopes),
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        expires_at_s=key.expires_at.timestamp() if key.expires_at else None,
    )


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
    work.invalidates(PERMISSIONS.of(KeyHash(row.secret_hash)), PERMISSIONS.of(owner))
    return row, secret
