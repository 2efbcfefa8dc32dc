"""What a key may give to another: nothing that it has not itself.

Without that, a key with few scopes, a short life or a tight limit could make itself a better one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from database.tables.users import ApiKey, User
from services.errors import Forbidden, Invalid
from services.permissions import PERMISSIONS, covers, granted, is_scope
from services.principal import Principal

__all__ = ["check_gift", "check_own"]

LIMITS = ("requests_per_minute", "tokens_per_minute", "max_concurrent_streams")


def check_own(columns: Mapping[str, Any], now: datetime) -> None:
    """Check what can be said of a key without knowing who makes it.

    Raises:
        Invalid: a scope does not exist, or the key would have run out already.
    """
    unknown = [word for word in columns.get("scopes", ()) if not is_scope(word)]
    if unknown:
        raise Invalid.field("scopes", f"There is no scope “{unknown[0]}”.")
    expires_at = columns.get("expires_at")
    if expires_at is not None and expires_at <= now:
        raise Invalid.field("expires_at", "Must lie in the future.")


def check_gift(principal: Principal, giver: ApiKey, user: User, columns: Mapping[str, Any]) -> None:
    """Refuse to give a key of `user` what the giver has not.

    Args:
        principal: who gives.
        giver: the key they came with.
        user: whose key it is to be.
        columns: the new values; what is left out is not checked.

    Raises:
        Forbidden: naming what the giver lacks.
    """
    if "scopes" in columns:
        _check_scopes(principal, giver, user, columns["scopes"])
    if "expires_at" in columns and giver.expires_at is not None:
        ends = columns["expires_at"]
        if ends is None or ends > giver.expires_at:
            raise Forbidden("A key that runs out cannot give a longer life than its own.")
    for name in LIMITS:
        limit = getattr(giver, name)
        if name in columns and limit is not None and (columns[name] or limit + 1) > limit:
            words = name.replace("_", " ")
            raise Forbidden(f"This key is limited to {limit} {words} and cannot give more.")
    if "workspace_id" in columns and giver.workspace_id not in {None, columns["workspace_id"]}:
        raise Forbidden("A key of a workspace makes keys of that workspace only.")


def _check_scopes(principal: Principal, giver: ApiKey, user: User, scopes: list[str]) -> None:
    lacking = [
        word
        for word in scopes
        if not covers(giver.scopes, word) or (word in PERMISSIONS and not principal.may(word))
    ]
    lacking += sorted(granted(user.role, scopes).difference(principal.permissions))
    if lacking:
        raise Forbidden(f"This key has not the scope {lacking[0]}, so it cannot give it.")
