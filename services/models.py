"""The model catalogue: what there is, what of it may be used, and how it is reached."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from cache.namespaces import MODELS
from database.json_lists import has_word
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.protocol import ProviderConfig
from schemas.models import ModelEdit, ModelQuery, ModelSchema, NewModel
from services import audit_logs
from services.costs import price_overrides, pricing
from services.errors import Conflict, Invalid, NotFound, Unavailable
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.secrets import SecretUnreadable
from services.unit_of_work import unit_of_work

__all__ = [
    "ModelRoute",
    "config_of",
    "create_model",
    "delete_model",
    "edit_model",
    "find_route",
    "get_model",
    "list_models",
    "provider_config",
    "route",
]

LISTING = "models"
_ONE = ModelSchema()


class ModelRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is reached. The provider's secret stays encrypted here."""

    model_id: str
    provider_id: str
    name: str
    status: str
    wire_format: str
    base_url: str
    encrypted_secret: str | None
    response_cache_ttl_s: int | None = None


@MODELS.read("list")
def list_models(query: ModelQuery, *, sees_disabled: bool) -> dict[str, Any]:
    """One page of models by id.

    Args:
        query: the filters and the page.
        sees_disabled: whether the caller may see models that are switched off.
    """
    wanted = _filtered(select(CatalogueModel), query, sees_disabled=sees_disabled)
    if query.cursor is not None:
        (after,) = decode_cursor(LISTING, query.cursor, [str])
        wanted = wanted.where(CatalogueModel.id > after)
    with read_session() as session:
        rows = session.scalars(wanted.order_by(CatalogueModel.id).limit(query.limit + 1)).all()
        return page_of(rows, query.limit, _dump, lambda row: encode_cursor(LISTING, [row.id]))


@MODELS.read("detail")
def get_model(model_id: str, *, sees_disabled: bool) -> dict[str, Any]:
    """One model.

    Raises:
        NotFound: there is no such model, or the caller may not see it.
    """
    with read_session() as session:
        row = session.get(CatalogueModel, model_id)
        if row is None or (row.status == "disabled" and not sees_disabled):
            raise NotFound.of("model", model_id)
        return _dump(row)


@MODELS.read("route")
def find_route(model_id: str) -> ModelRoute | None:
    """How `model_id` is reached; a bare name stands for the one model that has it.

    `None` if there is no such model, or the bare name is of several.
    """
    with read_session() as session:
        joined = select(CatalogueModel, CatalogueProvider).join(
            CatalogueProvider, CatalogueProvider.id == CatalogueModel.provider_id
        )
        usable = joined.where(
            CatalogueModel.status != "disabled", CatalogueProvider.status == "active"
        )
        found = session.execute(usable.where(CatalogueModel.id == model_id)).all()
        if not found:
            found = session.execute(usable.where(CatalogueModel.name == model_id).limit(2)).all()
        if len(found) != 1:
            return None
        model, provider = found[0].CatalogueModel, found[0].CatalogueProvider
        return ModelRoute(
            model_id=model.id,
            provider_id=provider.id,
            name=model.name,
            status=model.status,
            wire_format=provider.wire_format,
            base_url=provider.base_url,
            encrypted_secret=provider.encrypted_secret,
            response_cache_ttl_s=model.response_cache_ttl_s,
        )


def route(model_id: str) -> ModelRoute:
    """How a model is reached, for a call that is about to be made.

    Raises:
        NotFound: there is no such model, or it or its provider is switched off.
    """
    found = find_route(model_id).value
    if found is None:
        raise NotFound(f"There is no model “{model_id[:80]}”.", code="model_not_found")
    return found


def provider_config(found: ModelRoute) -> ProviderConfig:
    """What the provider's adapter needs for a call.

    Raises:
        Unavailable: the stored secret does not fit the installation's key.
    """
    return config_of(found.provider_id, found.wire_format, found.base_url, found.encrypted_secret)


def config_of(
    provider_id: str, wire_format: str, base_url: str, encrypted_secret: str | None
) -> ProviderConfig:
    """A provider's stored columns as what its adapter needs.

    Raises:
        Unavailable: the stored secret does not fit the installation's key.
    """
    settings = runtime().settings
    try:
        secret = runtime().secrets.decrypt(encrypted_secret) if encrypted_secret else ""
    except SecretUnreadable as fault:
        raise Unavailable(
            f"The secret of provider {provider_id} cannot be read: set it anew.",
            code="provider_secret_unreadable",
        ) from fault
    return ProviderConfig(
        provider_id=provider_id,
        wire_format=wire_format,
        base_url=base_url,
        api_key=secret,
        connect_timeout_s=settings.provider_connect_timeout_s,
        first_token_timeout_s=settings.provider_first_token_timeout_s,
        between_tokens_timeout_s=settings.provider_between_tokens_timeout_s,
        total_timeout_s=settings.provider_total_timeout_s,
    )


def create_model(principal: Principal, new: NewModel) -> dict[str, Any]:
    """Add a model by hand.

    Raises:
        Invalid: its provider is not there.
        Conflict: it is there already.
    """
    provider_id, _, name = new.id.partition("/")
    now = runtime().clock.now()
    with unit_of_work() as work:
        if work.session.get(CatalogueProvider, provider_id) is None:
            raise Invalid.field("id", f"There is no provider “{provider_id}”.")
        if work.session.get(CatalogueModel, new.id) is not None:
            raise Conflict(f"There is a model “{new.id}” already.", code="model_exists")
        row = CatalogueModel(
            id=new.id,
            provider_id=provider_id,
            name=name,
            display_name=new.display_name or name,
            status=new.status,
            capabilities=new.capabilities,
            context_window=new.context_window,
            max_output_tokens=new.max_output_tokens,
            response_cache_ttl_s=new.response_cache_ttl_s,
            origin="api",
            created_at=now,
            updated_at=now,
        )
        work.session.add(row)
        work.session.flush()  # prices are looked up for models that are there
        pricing.copy_prices(work, provider_id, [name])
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, "model.created", "model", new.id, {})
    return _dump(row)


def edit_model(
    principal: Principal, model_id: str, edit: ModelEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change a model's status, name, limits, capabilities or price.

    Raises:
        NotFound: there is no such model.
        Forbidden: a price is among it, and the caller's key may not set prices.
        PreconditionFailed: `if_match` names another version.
    """
    if edit.prices:
        principal.must("costs:write")
    with unit_of_work() as work:
        row = _stored(work.session, model_id)
        check_precondition(if_match, _dump(row))
        for name, value in edit.changes.items():
            setattr(row, name, value)
        row.updated_at = runtime().clock.now()
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, "model.changed", "model", model_id, edit.changes)
        for price in edit.prices:
            if price is None:
                price_overrides.drop_overrides(work, principal, model_id)
            else:
                price_overrides.put_override(work, principal, model_id, price)
    return _dump(row)


def delete_model(principal: Principal, model_id: str, *, if_match: str | None = None) -> None:
    """Delete a model; a later sync brings back what its provider still offers.

    Raises:
        NotFound: there is no such model.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = _stored(work.session, model_id)
        check_precondition(if_match, _dump(row))
        work.session.delete(row)
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, "model.deleted", "model", model_id, {})


def _dump(row: CatalogueModel) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _stored(session: Session, model_id: str) -> CatalogueModel:
    row = session.get(CatalogueModel, model_id, with_for_update=True)
    if row is None:
        raise NotFound.of("model", model_id)
    return row


def _filtered(
    wanted: Select[CatalogueModel], query: ModelQuery, *, sees_disabled: bool
) -> Select[CatalogueModel]:
    conditions: list[ColumnElement[bool]] = []
    if query.status is not None:
        conditions.append(CatalogueModel.status == query.status)
    if not sees_disabled:
        conditions.append(CatalogueModel.status != "disabled")
    if query.provider is not None:
        conditions.append(CatalogueModel.provider_id == query.provider)
    if query.capability is not None:
        conditions.append(has_word(CatalogueModel.capabilities, query.capability))
    if query.q:
        words = query.q.lower()
        conditions.append(
            func.lower(CatalogueModel.id).contains(words, autoescape=True)
            | func.lower(CatalogueModel.display_name).contains(words, autoescape=True)
        )
    return wanted.where(*conditions)
