"""Who asks: a user through a key, perhaps in a workspace, with what they may do."""

from collections.abc import Collection

import msgspec

from cache.scopes import UserId, WorkspaceId
from services.errors import Forbidden
from services.permissions import SENIOR_ROLES

__all__ = ["Principal", "UserId"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request, as authentication found them.

    `permissions` is what the user's role grants, cut down to what the key's scopes allow; in
    order, for a set is written in another order by every process.
    """

    user_id: UserId
    key_id: str
    workspace_id: WorkspaceId | None = None
    permissions: Collection[str]
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent_streams: int | None = None
    response_cache_ttl_s: int | None = None
    expires_at_s: float | None = None

    def may(self, permission: str) -> bool:
        """Whether the caller has `permission`."""
        return permission in self.permissions

    def must(self, permission: str) -> None:
        """Refuse a caller without `permission`.

        Raises:
            Forbidden: naming the permission that is missing.
        """
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission}.")

    def must_outrank(self, user_id: str, role: str) -> None:
        """Refuse to act on another user who is an owner or admin, unless the caller may.

        Raises:
            Forbidden: naming the permission that is missing.
        """
        if user_id != self.user_id and role in SENIOR_ROLES:
            self.must("users:write_admins")
