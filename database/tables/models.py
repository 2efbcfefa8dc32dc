"""The catalogue: providers and the AI models they offer."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from database.session import Base
from database.triggers.scopes import shared
from database.types import Json, UtcDateTime

__all__ = ["CatalogueModel", "CatalogueProvider", "ModelAlias"]


class CatalogueProvider(Base):
    """Where models come from. The secret is encrypted; nothing ever shows it."""

    __tablename__ = "providers"
    cached_in = (shared("providers"), shared("models"))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    wire_format: Mapped[str] = mapped_column(String(32))
    base_url: Mapped[str] = mapped_column(String(2000))
    encrypted_secret: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="active")
    origin: Mapped[str] = mapped_column(String(20))
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sync_error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    api_version: Mapped[str | None] = mapped_column(String(40))


class CatalogueModel(Base):
    """An AI model of the catalogue; its id is `provider/name`."""

    __tablename__ = "models"
    cached_in = (shared("models"),)
    kind = "model"
    strategy = None
    targets = None

    id: Mapped[str] = mapped_column(String(300), primary_key=True)
    provider_id: Mapped[str] = mapped_column(
        ForeignKey("providers.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(235))
    display_name: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(20), default="active")
    capabilities: Mapped[list[str]] = mapped_column(Json)
    context_window: Mapped[int | None]
    max_output_tokens: Mapped[int | None]
    response_cache_ttl_s: Mapped[int | None]
    origin: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ModelAlias(Base):
    """A name of ours that stands for several models, its targets; its id has no slash.

    Targets are `{"model", "weight"}`, kept by id: a model that goes away is passed over, and meant
    again when it is back.
    """

    __tablename__ = "model_aliases"
    cached_in = (shared("models"),)
    kind = "alias"
    origin = "api"
    provider_id = None
    context_window = None
    max_output_tokens = None
    response_cache_ttl_s = None

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(20), default="active")
    capabilities: Mapped[list[str]] = mapped_column(Json)
    strategy: Mapped[str] = mapped_column(String(20))
    targets: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def name(self) -> str:
        """What it is asked for by: its id."""
        return self.id
