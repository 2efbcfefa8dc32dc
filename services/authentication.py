"""Whose a request is: an API key's owner and what it may do, looked up through the cache.

A revocation bumps the key's own scope, so it holds on every worker from the next request on.
"""

from sqlalchemy import select

from cache.extension import cache
from cache.namespaces import PERMISSIONS
from cache.scopes import KeyHash, UserId, WorkspaceId
from database.session import read_session
from database.tables.users import ApiKey, User
from services.errors import Unauthenticated
from services.permissions import granted
from services.principal import Principal
from services.runtime import runtime

__all__ = ["authenticate", "find_principal", "principal_behind"]


def authenticate(secret: str) -> Principal:
    """Whose key `secret` is.

    Raises:
        Unauthenticated: nobody's, or it was revoked or has run out.
    """
    hashes = runtime().secrets.api_key_hashes(secret)
    found = (find_principal(KeyHash(each)).value for each in hashes)
    principal = next((each for each in found if each is not None), None)
    if principal is None:
        raise Unauthenticated("This API key is not valid.", code="invalid_api_key")
    if _has_run_out(principal):
        raise Unauthenticated("This API key has run out.", code="expired_api_key")
    return principal


def principal_behind(key_id: str) -> Principal | None:
    """Who stands behind a key now, by its id; `None` if it opens nothing any more."""
    with read_session() as session:
        key_hash = session.scalar(select(ApiKey.secret_hash).where(ApiKey.id == key_id))
    principal = None if key_hash is None else find_principal(KeyHash(key_hash)).value
    return None if principal is None or _has_run_out(principal) else principal


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
        key_id=key.id,
        workspace_id=WorkspaceId(key.workspace_id) if key.workspace_id else None,
        permissions=tuple(sorted(granted(user.role, key.scopes))),
        requests_per_minute=key.requests_per_minute,
        tokens_per_minute=key.tokens_per_minute,
        max_concurrent_streams=key.max_concurrent_streams,
        response_cache_ttl_s=key.response_cache_ttl_s,
        expires_at_s=key.expires_at.timestamp() if key.expires_at else None,
    )


def _has_run_out(principal: Principal) -> bool:
    return principal.expires_at_s is not None and cache.is_over(principal.expires_at_s)
