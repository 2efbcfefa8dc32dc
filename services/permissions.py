"""Roles and what each may do; a key's scopes can only take away from that.

A scope is a permission (`models:read`), a family (`models:*`) or everything (`*`).
"""

from collections.abc import Iterable

__all__ = ["PERMISSIONS", "ROLES", "SENIOR_ROLES", "covers", "granted", "is_scope"]

VIEWER = frozenset(
    {
        "me:read",
        "models:read",
        "conversations:read",
        "streams:read",
        "costs:read",
        "files:read",
        "workspaces:read",
        "keys:read",
    }
)
MEMBER = VIEWER | {
    "conversations:write",
    "streams:write",
    "chat:write",
    "files:write",
    "keys:write",
    "workspaces:write",
}
ADMIN = MEMBER | {
    "models:write",
    "providers:read",
    "providers:write",
    "costs:read_all",
    "costs:write",
    "cache:read",
    "cache:write",
    "users:read",
    "users:write",
    "keys:write_all",
    "workspaces:write_all",
    "audit_logs:read",
}
OWNER = ADMIN | {"users:write_admins"}

ROLES: dict[str, frozenset[str]] = {
    "owner": OWNER,
    "admin": ADMIN,
    "member": MEMBER,
    "viewer": VIEWER,
}
PERMISSIONS = OWNER
SENIOR_ROLES = frozenset({"owner", "admin"})
"""Whom only `users:write_admins` may make, change, or speak for."""


def is_scope(word: str) -> bool:
    """Whether `word` names a permission, a family of them, or all."""
    if word == "*" or word in PERMISSIONS:
        return True
    family, _, rest = word.partition(":")
    return rest == "*" and any(each.startswith(f"{family}:") for each in PERMISSIONS)


def granted(role: str, scopes: Iterable[str]) -> frozenset[str]:
    """What a key with `scopes` may do for a user of `role`."""
    allowed = ROLES.get(role, frozenset())
    words = set(scopes)
    if "*" in words:
        return allowed
    return frozenset(
        each for each in allowed if each in words or f"{each.partition(':')[0]}:*" in words
    )


def covers(scopes: Iterable[str], word: str) -> bool:
    """Whether a key with `scopes` has the scope `word`, as itself or as part of a wider one."""
    words = set(scopes)
    return "*" in words or word in words or f"{word.partition(':')[0]}:*" in words
