"""Providers from the environment and the TOML file, brought into the catalogue at start.

The environment's word counts over what is stored, so a changed key takes effect at the next start.
A provider that does not answer keeps nothing from starting: its failure is noted and logged.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from marshmallow import ValidationError
from sqlalchemy import func, select

from cache.namespaces import MODELS, PROVIDERS
from config import Settings, SettingsError
from database.session import read_session
from database.tables.models import CatalogueProvider
from providers.registry import WIRE_FORMATS
from schemas.providers import NewProvider, ProviderWriteSchema
from services import provider_sync, providers
from services.errors import Conflict, Invalid, LarderError
from services.runtime import runtime
from services.secrets import SecretUnreadable
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = ["declared_providers", "register_providers"]

log = structlog.get_logger(__name__)
OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
DEMO = NewProvider(id="demo", wire_format="demo", name="Demo (offline)")
OURS = ("environment", "file")


def register_providers(*, sync: bool = True) -> None:
    """Bring what is declared into the catalogue, then sync its models. Harmless to repeat.

    Raises:
        SettingsError: the TOML file cannot be read as what it must be.
    """
    declared = dict(declared_providers(runtime().settings))
    for new, origin in declared.values():
        if new.wire_format not in WIRE_FORMATS:
            log.warning("wire_format_unknown", provider=new.id, wire_format=new.wire_format)
            continue
        _register(new, origin)
    if not _has_any():
        _register(DEMO, "builtin")
    if sync:
        for provider_id in _unsynced(set(declared) | {DEMO.id}):
            _sync(provider_id)


def declared_providers(settings: Settings) -> Iterator[tuple[str, tuple[NewProvider, str]]]:
    """The declared providers by id, each with where it was declared.

    Raises:
        SettingsError: the TOML file, or a variable, cannot be read as what it must be.
    """
    for each in _from_file(settings.providers_file):
        yield each.id, (each, "file")
    if settings.openai_api_key or settings.openai_base_url:
        url = settings.openai_base_url or OPENAI_URL
        yield "openai", (_plain("openai", url, settings.openai_api_key), "environment")
    if settings.anthropic_api_key or settings.anthropic_base_url:
        url = settings.anthropic_base_url or ANTHROPIC_URL
        yield "anthropic", (_plain("anthropic", url, settings.anthropic_api_key), "environment")


def _plain(name: str, url: str, secret: str) -> NewProvider:
    given = {"id": name, "wire_format": name, "base_url": url}
    if secret:
        given["secret"] = secret
    try:
        loaded: NewProvider = ProviderWriteSchema().load(given)
    except ValidationError as fault:
        wrong: Any = fault.messages
        names = {"base_url": "BASE_URL", "secret": "API_KEY"}
        told = [f"{name.upper()}_{names[key]}: {' '.join(wrong[key])}" for key in wrong]
        raise SettingsError("; ".join(told)) from None  # its cause holds the key
    return loaded


def _from_file(path: Path | None) -> Iterator[NewProvider]:
    if path is None:
        return
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("provider", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise SettingsError(f"LARDER_PROVIDERS: {path} cannot be read: {fault}") from fault
    if not isinstance(tables, list):
        raise SettingsError(f"LARDER_PROVIDERS: {path} must hold tables named [[provider]]")
    for number, table in enumerate(tables, start=1):
        yield _from_table(table, f"LARDER_PROVIDERS: {path}, provider {number}")


def _from_table(table: object, place: str) -> NewProvider:
    if not isinstance(table, dict):
        raise SettingsError(f"{place}: must be a table, begun by [[provider]]")
    fields: dict[str, Any] = dict(table)
    if "api_key" in fields:
        fields["secret"] = fields.pop("api_key")
    try:
        loaded: NewProvider = ProviderWriteSchema().load(fields)
    except ValidationError as fault:
        raise SettingsError(f"{place}: {fault.messages}") from fault
    return loaded


def _register(new: NewProvider, origin: str) -> None:
    try:
        _add_or_edit(new, origin)
    except (Conflict, Invalid) as fault:
        # Another worker was first; or the declaration lacks something, which is said.
        log.warning("provider_not_registered", provider=new.id, reason=fault.detail)


def _add_or_edit(new: NewProvider, origin: str) -> None:
    """Add a provider, or bring the stored one in line with what is declared."""
    with unit_of_work() as work:
        row = work.session.get(CatalogueProvider, new.id, with_for_update=True)
        if row is None:
            providers.add_provider(work, new, origin=origin)
        elif row.origin in OURS:
            _bring_in_line(work, row, new)


def _bring_in_line(work: UnitOfWork, row: CatalogueProvider, new: NewProvider) -> None:
    secrets = runtime().secrets
    try:
        stored = secrets.decrypt(row.encrypted_secret) if row.encrypted_secret else None
    except SecretUnreadable:
        stored = None
    standing = (row.base_url, row.wire_format, row.api_version, stored)
    if standing == (new.base_url, new.wire_format, new.api_version, new.secret):
        return
    row.base_url, row.wire_format = new.base_url, new.wire_format
    row.api_version = new.api_version
    row.encrypted_secret = secrets.encrypt(new.secret) if new.secret else None
    row.synced_at = None
    row.updated_at = runtime().clock.now()
    work.invalidates(PROVIDERS.all(), MODELS.all())


def _has_any() -> bool:
    with read_session() as session:
        return bool(session.scalar(select(func.count()).select_from(CatalogueProvider)))


def _unsynced(provider_ids: set[str]) -> list[str]:
    """Those of `provider_ids` that were never synced, or whose last sync failed."""
    with read_session() as session:
        rows = session.scalars(
            select(CatalogueProvider.id)
            .where(CatalogueProvider.id.in_(provider_ids))
            .where(
                CatalogueProvider.synced_at.is_(None) | CatalogueProvider.sync_error.is_not(None)
            )
        )
        return sorted(rows)


def _sync(provider_id: str) -> None:
    try:
        counts = provider_sync.sync_provider(None, provider_id)
    except LarderError as fault:
        log.warning("provider_sync_failed", provider=provider_id, reason=fault.detail)
    else:
        log.info("provider_synced", **counts)
