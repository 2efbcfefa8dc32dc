"""Providers of models: kept with their secrets encrypted, shown with their circuits."""

import copy
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cache import recording
from cache.namespaces import MODELS, PROVIDERS
from cache.results import CachedResult, encode_body, etag_of
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.registry import WIRE_FORMATS
from schemas.providers import (
    CircuitSchema,
    NewProvider,
    ProviderEdit,
    ProviderSchema,
    origin_of,
)
from services import audit_logs
from services.costs import pricing
from services.errors import Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "add_provider",
    "create_provider",
    "delete_provider",
    "edit_provider",
    "find_row",
    "get_provider",
    "list_provider_ids",
    "list_providers",
]

LISTING = "providers"
MAX_PROVIDERS = 500
CIRCUIT_MARK = re.compile(r'\.[0-9a-f]{8}"')
_ONE = ProviderSchema()
_CIRCUIT = CircuitSchema()


def list_providers(limit: int, cursor: str | None) -> CachedResult[dict[str, Any]]:
    """One page of providers by id, each with its circuit."""
    return _with_circuits(load_providers(limit, cursor), lambda page: page["items"])


@PROVIDERS.read("list", shape=2)
def load_providers(limit: int, cursor: str | None) -> dict[str, Any]:
    """One page of providers by id, as they are stored."""
    wanted = select(CatalogueProvider).order_by(CatalogueProvider.id)
    if cursor is not None:
        (after,) = decode_cursor(LISTING, cursor, [str])
        wanted = wanted.where(CatalogueProvider.id > after)
    with read_session() as session:
        rows = session.scalars(wanted.limit(limit + 1)).all()
        return page_of(rows, limit, _dump, lambda row: encode_cursor(LISTING, [row.id]))


def get_provider(provider_id: str) -> CachedResult[dict[str, Any]]:
    """One provider, with its circuit.

    Raises:
        NotFound: there is none of this id.
    """
    return _with_circuits(load_provider(provider_id), lambda one: [one])


@PROVIDERS.read("detail", shape=2)
def load_provider(provider_id: str) -> dict[str, Any]:
    """One provider, as it is stored.

    Raises:
        NotFound: there is none of this id.
    """
    with read_session() as session:
        return _dump(find_row(session, provider_id))


def create_provider(principal: Principal, new: NewProvider) -> dict[str, Any]:
    """Add a provider.

    Raises:
        Invalid: no adapter speaks its wire format, or it needs a base URL.
        Conflict: there is one of this id, or as many as there may be.
    """
    with unit_of_work() as work:
        if work.session.get(CatalogueProvider, new.id) is not None:
            raise Conflict(f"There is a provider “{new.id}” already.", code="provider_exists")
        count = work.session.scalar(select(func.count()).select_from(CatalogueProvider))
        if (count or 0) >= MAX_PROVIDERS:
            sentence = f"There can be {MAX_PROVIDERS} providers at most."
            raise Conflict(sentence, code="too_many_providers")
        row = add_provider(work, new, origin="api")
        audit_logs.record(work, principal, "provider.created", "provider", new.id, {})
    return _dump(row)


def add_provider(work: UnitOfWork, new: NewProvider, *, origin: str) -> CatalogueProvider:
    """Add a provider's row within `work`.

    Raises:
        Invalid: no adapter speaks its wire format, or it needs a base URL.
    """
    if new.wire_format not in WIRE_FORMATS:
        raise Invalid.field("wire_format", f"Must be one of {', '.join(WIRE_FORMATS)}.")
    if not new.base_url and new.wire_format != "demo":
        raise Invalid.field("base_url", "Must be given for this wire format.")
    now = runtime().clock.now()
    row = CatalogueProvider(
        id=new.id,
        name=new.name or new.id,
        wire_format=new.wire_format,
        base_url=new.base_url,
        encrypted_secret=runtime().secrets.encrypt(new.secret) if new.secret else None,
        status=new.status,
        api_version=new.api_version,
        origin=origin,
        created_at=now,
        updated_at=now,
    )
    work.session.add(row)
    work.invalidates(PROVIDERS.all(), MODELS.all())
    return row


def edit_provider(
    principal: Principal, provider_id: str, edit: ProviderEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change a provider; routes to its models change with it, and with its address their prices.

    Raises:
        NotFound: there is none of this id.
        Invalid: it moves to another host, and the secret is not given anew.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = find_row(work.session, provider_id, is_locked=True)
        _check_version(if_match, row)
        _check_secret(row, edit)
        changes = dict(edit.changes)
        is_moved = changes.get("base_url", row.base_url) != row.base_url
        if "secret" in changes:
            secret = changes.pop("secret")
            row.encrypted_secret = runtime().secrets.encrypt(secret) if secret else None
        for name, value in changes.items():
            setattr(row, name, value)
        row.updated_at = runtime().clock.now()
        work.invalidates(PROVIDERS.all(), MODELS.all())
        if is_moved:  # others may be paid now
            work.session.flush()  # the address decides whose prices they are
            of_it = select(CatalogueModel.name).where(CatalogueModel.provider_id == provider_id)
            pricing.copy_prices(work, provider_id, sorted(work.session.scalars(of_it)))
        detail = {"fields": sorted(edit.changes)}
        audit_logs.record(work, principal, "provider.changed", "provider", provider_id, detail)
    return _dump(row)


def delete_provider(principal: Principal, provider_id: str, *, if_match: str | None = None) -> None:
    """Delete a provider with its models; what was booked stays.

    Raises:
        NotFound: there is none of this id.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = find_row(work.session, provider_id, is_locked=True)
        _check_version(if_match, row)
        work.session.delete(row)
        work.invalidates(PROVIDERS.all(), MODELS.all())
        audit_logs.record(work, principal, "provider.deleted", "provider", provider_id, {})


def list_provider_ids() -> list[str]:
    """The ids of all providers that are in use."""
    with read_session() as session:
        active = select(CatalogueProvider.id).where(CatalogueProvider.status == "active")
        return list(session.scalars(active.order_by(CatalogueProvider.id)))


def _with_circuits(
    stored: CachedResult[dict[str, Any]],
    items_of: Callable[[dict[str, Any]], list[dict[str, Any]]],
) -> CachedResult[dict[str, Any]]:
    """What is stored, with the circuits that are not closed in this process.

    The ETag names both; what stands behind its dot is no part of the version that `If-Match` means.
    """
    recording.spoil()  # the next answer may find another state
    states = {
        each["id"]: runtime().providers.circuit_state(each["id"]) for each in items_of(stored.value)
    }
    if all(each.state == "closed" for each in states.values()):
        return stored
    value = copy.deepcopy(stored.value)
    for each in items_of(value):
        each["circuit"] = _CIRCUIT.dump(states[each["id"]])
    body = encode_body(value)
    etag = f'{stored.etag[:-1]}.{etag_of(body)[1:9]}"'
    return stored.revised(value, body, etag)


def _check_version(if_match: str | None, row: CatalogueProvider) -> None:
    version = None if if_match is None else CIRCUIT_MARK.sub('"', if_match)
    check_precondition(version, _dump(row))


def _check_secret(row: CatalogueProvider, edit: ProviderEdit) -> None:
    """A secret never comes out, not by being sent to somebody else's host either."""
    base_url = edit.changes.get("base_url", row.base_url)
    is_kept = row.encrypted_secret is not None and "secret" not in edit.changes
    if is_kept and origin_of(base_url) != origin_of(row.base_url):
        raise Invalid.field("secret", "Must be given anew (or as null) for another host.")


def _dump(row: CatalogueProvider) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def find_row(session: Session, provider_id: str, *, is_locked: bool = False) -> CatalogueProvider:
    """A provider's row, locked for the rest of the transaction if it is to be changed.

    Raises:
        NotFound: there is none of this id.
    """
    row = session.get(CatalogueProvider, provider_id, with_for_update=is_locked)
    if row is None:
        raise NotFound.of("provider", provider_id)
    return row
