"""A provider's own model list, brought into the catalogue; and whether it answers at all."""

import re
from typing import Any

from sqlalchemy import select

from cache.namespaces import MODELS, PROVIDERS
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.protocol import ModelListing, ProviderError
from services import audit_logs
from services.costs import pricing
from services.principal import Principal
from services.provider_configs import provider_config
from services.providers import find_row
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work
from services.upstream_failures import raise_upstream

__all__ = ["check_provider", "sync_provider"]

NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,235}")
MAX_ERROR_CHARS = 500
MAX_DISPLAY_CHARS = 300
MAX_CAPABILITIES = 50
MAX_CAPABILITY_CHARS = 60


def sync_provider(principal: Principal | None, provider_id: str) -> dict[str, Any]:
    """Pull a provider's own model list into the catalogue.

    New models become active; what an admin changed stays; what the provider no longer lists is
    marked deprecated, never deleted.

    Raises:
        NotFound: there is none of this id.
        UpstreamFailed: the list could not be had; the failure is noted with the provider.
    """
    try:
        listed = _listed(provider_id)
    except ProviderError as fault:
        with unit_of_work() as work:
            row = find_row(work.session, provider_id, is_locked=True)
            row.sync_error = fault.message[:MAX_ERROR_CHARS]
            work.invalidates(PROVIDERS.all(), MODELS.all())
        raise_upstream(fault)
    with unit_of_work() as work:
        row = find_row(work.session, provider_id, is_locked=True)
        counts = _merge(work, row, listed)
        row.synced_at, row.sync_error = runtime().clock.now(), None
        work.invalidates(PROVIDERS.all(), MODELS.all())
        if principal is not None:  # a sync at start is nobody's doing
            audit_logs.record(work, principal, "provider.synced", "provider", provider_id, counts)
    return {"provider_id": provider_id, **counts}


def check_provider(principal: Principal, provider_id: str) -> dict[str, Any]:
    """Ask a provider for its list and say how it went; a failure is an answer, not an error.

    Raises:
        NotFound: there is none of this id.
    """
    clock = runtime().clock
    began_s = clock.monotonic()
    found: dict[str, Any] = {"ok": True, "models": None, "code": None, "detail": None}
    try:
        found["models"] = len(_listed(provider_id))
    except ProviderError as fault:
        found |= {"ok": False, "code": fault.code, "detail": fault.message}
    found["latency_ms"] = round((clock.monotonic() - began_s) * 1000, 1)
    with unit_of_work() as work:
        audit_logs.record(
            work, principal, "provider.checked", "provider", provider_id, {"ok": found["ok"]}
        )
    return {"provider_id": provider_id, **found}


def _listed(provider_id: str) -> list[ModelListing]:
    with read_session() as session:
        row = find_row(session, provider_id)
    config = provider_config(
        row.id, row.wire_format, row.base_url, row.encrypted_secret, row.api_version
    )
    reached = runtime().providers.reach(config)
    try:
        listed = reached.provider.list_models()
    except ProviderError as fault:
        reached.circuit.leave(fault, is_probe=False)
        raise
    reached.circuit.leave(None, is_probe=False)  # it answers: calls may go through again
    # The catalogue's ids go into URLs and headers: a name that cannot is left out. Some providers
    # list a model twice.
    return list({each.name: each for each in listed if NAME.fullmatch(each.name)}.values())


def _merge(
    work: UnitOfWork, provider: CatalogueProvider, listed: list[ModelListing]
) -> dict[str, int]:
    """Bring the catalogue in line with `listed`; what changed, in numbers."""
    known = {
        row.name: row
        for row in work.session.scalars(
            select(CatalogueModel).where(CatalogueModel.provider_id == provider.id)
        )
    }
    counts = {"listed": len(listed), "added": 0, "returned": 0, "deprecated": 0}
    for each in listed:
        row = known.get(each.name)
        if row is None:
            work.session.add(_new_model(provider.id, each))
            counts["added"] += 1
        elif row.status == "deprecated" and row.origin == "sync":
            row.status, row.updated_at = "active", runtime().clock.now()
            counts["returned"] += 1
    names = {each.name for each in listed}
    for name, row in known.items():
        if name not in names and row.origin == "sync" and row.status == "active":
            row.status, row.updated_at = "deprecated", runtime().clock.now()
            counts["deprecated"] += 1
    work.session.flush()  # prices are looked up for models that are there
    counts["priced"] = pricing.copy_prices(work, provider.id, sorted(names))
    return counts


def _new_model(provider_id: str, listing: ModelListing) -> CatalogueModel:
    now = runtime().clock.now()
    return CatalogueModel(
        id=f"{provider_id}/{listing.name}",
        provider_id=provider_id,
        name=listing.name,
        display_name=_storable(listing.display_name, MAX_DISPLAY_CHARS) or listing.name,
        status="active",
        capabilities=_capabilities(listing),
        context_window=listing.context_window,
        max_output_tokens=listing.max_output_tokens,
        origin="sync",
        created_at=now,
        updated_at=now,
    )


def _capabilities(listing: ModelListing) -> list[str]:
    found = [_storable(each, MAX_CAPABILITY_CHARS) for each in listing.capabilities or ()]
    return [each for each in found if each][:MAX_CAPABILITIES]


def _storable(words: str | None, max_chars: int) -> str:
    """What a provider says, as the catalogue can hold it: bounded, without NUL."""
    return (words or "").replace("\x00", "")[:max_chars]
