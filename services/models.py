"""The model catalogue: models and aliases, what there is and what of it may be used."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, select, union_all
from sqlalchemy.orm import Session

from cache.namespaces import MODELS
from database.json_lists import has_word
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider, ModelAlias
from schemas.models import ModelEdit, ModelQuery, ModelSchema, NewModel
from services import aliases, audit_logs
from services.costs import price_overrides, pricing
from services.errors import Conflict, Invalid, NotFound
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "create_model",
    "delete_model",
    "edit_model",
    "get_model",
    "list_models",
]

LISTING = "models"
_ONE = ModelSchema()

Row = CatalogueModel | ModelAlias


@MODELS.read("list")
def list_models(query: ModelQuery, *, sees_disabled: bool) -> dict[str, Any]:
    """One page of models and aliases by id.

    Args:
        query: the filters and the page.
        sees_disabled: whether the caller may see models that are switched off.
    """
    # The database puts both kinds in one order: it may not sort as Python does.
    found = union_all(
        *(_filtered(table, query, sees_disabled=sees_disabled) for table in _tables(query))
    ).subquery()
    wanted = select(found.c.id)
    if query.cursor is not None:
        (after,) = decode_cursor(LISTING, query.cursor, [str])
        wanted = wanted.where(found.c.id > after)
    with read_session() as session:
        ids = session.scalars(wanted.order_by(found.c.id).limit(query.limit + 1)).all()
        rows = _rows(session, ids)
        return page_of(rows, query.limit, _dump, lambda row: encode_cursor(LISTING, [row.id]))


@MODELS.read("detail")
def get_model(model_id: str, *, sees_disabled: bool) -> dict[str, Any]:
    """One model.

    Raises:
        NotFound: there is no such model, or the caller may not see it.
    """
    with read_session() as session:
        row = _found(session, model_id)
        if row is None or (row.status == "disabled" and not sees_disabled):
            raise NotFound.of("model", model_id)
        return _dump(row)


def create_model(principal: Principal, new: NewModel) -> dict[str, Any]:
    """Add a model, or an alias, by hand.

    Raises:
        Invalid: its provider, or a target, is not there.
        Conflict: it is there already.
    """
    with unit_of_work() as work:
        if _found(work.session, new.id) is not None:
            raise Conflict(f"There is a model “{new.id}” already.", code="model_exists")
        row = aliases.add_alias(work, new) if new.kind == "alias" else _add(work, new)
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, f"{row.kind}.created", "model", new.id, {})
    return _dump(row)


def _add(work: UnitOfWork, new: NewModel) -> CatalogueModel:
    provider_id, _, name = new.id.partition("/")
    now = runtime().clock.now()
    if work.session.get(CatalogueProvider, provider_id) is None:
        raise Invalid.field("id", f"There is no provider “{provider_id}”.")
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
    return row


def edit_model(
    principal: Principal, model_id: str, edit: ModelEdit, *, if_match: str | None = None
) -> dict[str, Any]:
    """Change a model's status, name, limits, capabilities or price, or an alias's targets.

    Raises:
        NotFound: there is no such model.
        Invalid: it has no such field, or a target is not there.
        Forbidden: a price is among it, and the caller's key may not set prices.
        PreconditionFailed: `if_match` names another version.
    """
    if edit.prices:
        principal.must("costs:write")
    with unit_of_work() as work:
        row = _stored(work.session, model_id)
        check_precondition(if_match, _dump(row))
        aliases.check_edit(work.session, row, edit)
        for name, value in edit.changes.items():
            setattr(row, name, value)
        row.updated_at = runtime().clock.now()
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, f"{row.kind}.changed", "model", model_id, edit.changes)
        for price in edit.prices:
            if price is None:
                price_overrides.drop_overrides(work, principal, model_id)
            else:
                price_overrides.put_override(work, principal, model_id, price)
    return _dump(row)


def delete_model(principal: Principal, model_id: str, *, if_match: str | None = None) -> None:
    """Delete a model or an alias; a later sync brings back what its provider still offers.

    Raises:
        NotFound: there is no such model.
        PreconditionFailed: `if_match` names another version.
    """
    with unit_of_work() as work:
        row = _stored(work.session, model_id)
        check_precondition(if_match, _dump(row))
        work.session.delete(row)
        work.invalidates(MODELS.all())
        audit_logs.record(work, principal, f"{row.kind}.deleted", "model", model_id, {})


def _dump(row: Row) -> dict[str, Any]:
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _found(session: Session, model_id: str, *, is_locked: bool = False) -> Row | None:
    """A model, which has a slash in its id, or an alias, which has none."""
    if "/" in model_id:
        return session.get(CatalogueModel, model_id, with_for_update=is_locked)
    return session.get(ModelAlias, model_id, with_for_update=is_locked)


def _stored(session: Session, model_id: str) -> Row:
    row = _found(session, model_id, is_locked=True)
    if row is None:
        raise NotFound.of("model", model_id)
    return row


def _rows(session: Session, ids: Sequence[str]) -> list[Row]:
    """The rows of these ids, in this order."""
    by_id: dict[str, Row] = {}
    models = session.scalars(select(CatalogueModel).where(CatalogueModel.id.in_(ids)))
    by_id |= {row.id: row for row in models}
    aliased = session.scalars(select(ModelAlias).where(ModelAlias.id.in_(ids)))
    by_id |= {row.id: row for row in aliased}
    return [by_id[each] for each in ids]


def _tables(query: ModelQuery) -> list[type[Row]]:
    kinds: tuple[type[Row], ...] = (CatalogueModel, ModelAlias)
    return [each for each in kinds if query.kind in {None, each.kind}]


def _filtered(table: type[Row], query: ModelQuery, *, sees_disabled: bool) -> Select[str]:
    conditions: list[ColumnElement[bool]] = []
    if query.status is not None:
        conditions.append(table.status == query.status)
    if not sees_disabled:
        conditions.append(table.status != "disabled")
    if query.provider is not None:
        is_theirs = CatalogueModel.provider_id == query.provider
        conditions.append(is_theirs if table is CatalogueModel else false())
    if query.capability is not None:
        conditions.append(has_word(table.capabilities, query.capability))
    if query.q:
        words = query.q.lower()
        conditions.append(
            func.lower(table.id).contains(words, autoescape=True)
            | func.lower(table.display_name).contains(words, autoescape=True)
        )
    return select(table.id).where(*conditions)
