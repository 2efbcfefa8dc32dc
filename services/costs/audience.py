"""Whose figures a caller sees: their own, or with `costs:read_all` everybody's."""

from typing import Any

from sqlalchemy import ColumnElement, true

from cache.scopes import EVERYONE, Everyone, UserId, WorkspaceId
from services.errors import Forbidden
from services.principal import Principal

__all__ = ["READ_ALL", "Audience", "audience_of", "visible"]

READ_ALL = "costs:read_all"
Audience = UserId | WorkspaceId | Everyone


def audience_of(principal: Principal, user_id: str | None = None) -> Audience:
    """Whose figures `principal` reads, as the owner of a cached read.

    Args:
        principal: the caller.
        user_id: the user whose figures are asked for, if somebody's.

    Raises:
        Forbidden: they are somebody else's, and the caller sees their own only.
    """
    if principal.may(READ_ALL):
        return EVERYONE
    if user_id is not None and user_id != principal.user_id:
        raise Forbidden(f"Other people's figures need the permission {READ_ALL}.")
    return principal.user_id


def visible(audience: Audience, user_column: Any) -> ColumnElement[bool]:
    """The condition that keeps rows of others out."""
    if audience == EVERYONE:
        return true()
    condition: ColumnElement[bool] = user_column == audience
    return condition
