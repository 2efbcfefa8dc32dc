"""People, their workspaces and their API keys."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from database.session import Base
from database.triggers.scopes import everyones, owned, related
from database.types import Json, UtcDateTime
from telemetry.ids import new_id

__all__ = ["ApiKey", "User", "Workspace", "WorkspaceMember"]


class User(Base):
    """A person; `role` is what they may do on the whole installation."""

    __tablename__ = "users"
    cached_in = (
        owned("users", "id"),
        everyones("users"),
        related("permissions", "secret_hash", of="api_keys", refers="user_id"),
        related("workspaces", "workspace_id", of="workspace_members", refers="user_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Workspace(Base):
    """A team; keys and costs can belong to it."""

    __tablename__ = "workspaces"
    cached_in = (
        owned("workspaces", "id"),
        everyones("workspaces"),
        related("workspaces", "user_id", of="workspace_members", refers="workspace_id"),
        related("users", "user_id", of="workspace_members", refers="workspace_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkspaceMember(Base):
    """Who belongs to a workspace, and as what."""

    __tablename__ = "workspace_members"
    cached_in = (
        owned("workspaces", "workspace_id"),
        owned("workspaces", "user_id"),
        owned("users", "user_id"),
    )

    workspace_id: Mapped[str] = mapped_column(
        ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(String(20))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """An API key: a keyed hash of the secret, and the few letters people know it by."""

    __tablename__ = "api_keys"
    cached_in = (
        owned("permissions", "secret_hash"),
        owned("permissions", "user_id"),
        owned("users", "user_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[str | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(200))
    hint: Mapped[str] = mapped_column(String(16))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(Json)
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    max_concurrent_streams: Mapped[int | None]
    response_cache_ttl_s: Mapped[int | None]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
