"""`/api/providers`: where models come from. Secrets go in and never come out."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent, repeatable
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.page import PageQuerySchema
from schemas.providers import (
    CheckSchema,
    NewProvider,
    ProviderEdit,
    ProviderPageSchema,
    ProviderPatchSchema,
    ProviderSchema,
    ProviderWriteSchema,
    SyncSchema,
)
from services import provider_sync, providers
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("providers", "/api/providers", "Providers of models.")


@routes.get("")
@require("providers:read")
@query(PageQuerySchema)
@returns(ProviderPageSchema)
@cached_response
def list_providers(principal: Principal, page: dict[str, Any]) -> CachedResult[dict[str, Any]]:
    """List providers."""
    del principal
    return providers.list_providers(page["limit"], page["cursor"])


@routes.post("")
@require("providers:write")
@idempotent()
@body(ProviderWriteSchema)
@returns(ProviderSchema, 201)
def create_provider(principal: Principal, new: NewProvider) -> dict[str, Any]:
    """Add a provider."""
    return providers.create_provider(principal, new)


@routes.get("/<provider_id>")
@require("providers:read")
@returns(ProviderSchema)
@cached_response
def get_provider(principal: Principal, provider_id: str) -> CachedResult[dict[str, Any]]:
    """Read one provider."""
    del principal
    return providers.get_provider(provider_id)


@routes.patch("/<provider_id>")
@require("providers:write")
@body(ProviderPatchSchema)
@returns(ProviderSchema)
@takes(IF_MATCH)
def edit_provider(
    principal: Principal, edit: ProviderEdit, provider_id: str, if_match: str | None
) -> dict[str, Any]:
    """Change a provider."""
    return providers.edit_provider(principal, provider_id, edit, if_match=if_match)


@routes.delete("/<provider_id>")
@require("providers:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_provider(principal: Principal, provider_id: str, if_match: str | None) -> None:
    """Delete a provider and its models."""
    providers.delete_provider(principal, provider_id, if_match=if_match)


@routes.post("/<provider_id>/sync")
@require("providers:write")
@repeatable("a sync is the same the second time")
@returns(SyncSchema)
def sync_provider(principal: Principal, provider_id: str) -> dict[str, Any]:
    """Pull the provider's own model list."""
    return provider_sync.sync_provider(principal, provider_id)


@routes.post("/<provider_id>/check")
@require("providers:write")
@repeatable("a check measures anew each time")
@returns(CheckSchema)
def check_provider(principal: Principal, provider_id: str) -> dict[str, Any]:
    """Make one real request and say how it went."""
    return provider_sync.check_provider(principal, provider_id)
