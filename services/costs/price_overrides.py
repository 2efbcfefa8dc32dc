"""Prices as people see and set them: the list, and overrides from an instant on.

Setting a price rewrites nothing: what is booked keeps the rates it was booked by.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from cache.namespaces import PROVIDERS
from database.session import read_session
from database.tables.costs import Price
from database.tables.models import CatalogueModel
from schemas.costs_pricing import PriceOverride, PriceQuery, PriceSchema
from services import audit_logs
from services.costs.pricing import OVERRIDE
from services.errors import Conflict, NotFound, PreconditionFailed
from services.paging import decode_cursor, encode_cursor, page_of
from services.preconditions import check_precondition
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work

__all__ = [
    "delete_overrides",
    "drop_overrides",
    "list_prices",
    "override_price",
    "put_override",
]

LISTING = "prices"
MAX_OVERRIDES = 200
_ONE = PriceSchema()


@PROVIDERS.read("pricing")
def list_prices(query: PriceQuery) -> dict[str, Any]:
    """One page of the price table: by model, each model's newest first."""
    statement = select(Price)
    if query.model is not None:
        statement = statement.where(Price.model_id == query.model)
    if query.cursor is not None:
        after = decode_cursor(LISTING, query.cursor, (str, datetime, str))
        model_id, effective_from, price_id = after
        same_model = Price.model_id == model_id
        statement = statement.where(
            or_(
                Price.model_id > model_id,
                and_(same_model, Price.effective_from < effective_from),
                and_(same_model, Price.effective_from == effective_from, Price.id > price_id),
            )
        )
    order = (Price.model_id, Price.effective_from.desc(), Price.id)
    with read_session() as session:
        rows = session.scalars(statement.order_by(*order).limit(query.limit + 1)).all()
    return page_of(rows, query.limit, _ONE.dump, _cursor_of)


def override_price(
    principal: Principal, model_id: str, new: PriceOverride, *, if_match: str | None = None
) -> dict[str, Any]:
    """Set a model's price by hand, from an instant on; one set for that instant is replaced.

    Returns:
        The price as it is read.

    Raises:
        NotFound: the catalogue has no such model.
        Conflict: the model has as many overrides as there may be.
        PreconditionFailed: `if_match` names another override than the one it takes over from.
    """
    with unit_of_work() as work:
        if if_match is not None:
            _check_standing(work.session, model_id, new, if_match)
        return put_override(work, principal, model_id, new)


def put_override(
    work: UnitOfWork, principal: Principal, model_id: str, new: PriceOverride
) -> dict[str, Any]:
    """Set a model's price within `work`.

    Returns:
        The price as it is read.

    Raises:
        NotFound: the catalogue has no such model.
        Conflict: the model has as many overrides as there may be.
    """
    now = runtime().clock.now()
    effective_from = new.effective_from or now
    if work.session.get(CatalogueModel, model_id) is None:
        raise NotFound.of("model", model_id)
    wanted = _overrides_of(model_id).where(Price.effective_from == effective_from)
    row = work.session.scalar(wanted.with_for_update())
    if row is None:
        _check_room(work.session, model_id)
        row = Price(
            model_id=model_id, source=OVERRIDE, effective_from=effective_from, created_at=now
        )
        work.session.add(row)
    row.rates = new.rates
    work.invalidates(PROVIDERS.all())
    dumped = _dump(row, work.session)
    detail = {"rates": new.rates, "effective_from": dumped["effective_from"]}
    audit_logs.record(work, principal, "price.overridden", "model", model_id, detail)
    return dumped


def delete_overrides(
    principal: Principal,
    model_id: str,
    effective_from: datetime | None = None,
    *,
    if_match: str | None = None,
) -> None:
    """Take a model's overrides away, so that the copied prices count again.

    Args:
        principal: who does it.
        model_id: the model; it need not be in the catalogue any more.
        effective_from: only the override from this instant on; all of them if absent.
        if_match: names each of those that are to go.

    Raises:
        NotFound: there is no such override.
        PreconditionFailed: one of them is not named by `if_match`.
    """
    with unit_of_work() as work:
        if not drop_overrides(work, principal, model_id, effective_from, if_match=if_match):
            raise NotFound.of("price override of", model_id)


def drop_overrides(
    work: UnitOfWork,
    principal: Principal,
    model_id: str,
    effective_from: datetime | None = None,
    *,
    if_match: str | None = None,
) -> int:
    """Take a model's overrides away within `work`; how many there were.

    Raises:
        PreconditionFailed: one of them is not named by `if_match`.
    """
    wanted = _overrides_of(model_id)
    if effective_from is not None:
        wanted = wanted.where(Price.effective_from == effective_from)
    rows = work.session.scalars(wanted.with_for_update()).all()
    for row in rows:
        check_precondition(if_match, _ONE.dump(row))
        work.session.delete(row)
    if rows:
        work.invalidates(PROVIDERS.all())
        detail = {"effective_from": [row.effective_from.isoformat() for row in rows]}
        audit_logs.record(work, principal, "price.restored", "model", model_id, detail)
    return len(rows)


def _check_standing(session: Session, model_id: str, new: PriceOverride, if_match: str) -> None:
    """Refuse a price that takes over from another override than `if_match` names."""
    # The model is locked: a second change must see the override that the first one makes.
    if session.get(CatalogueModel, model_id, with_for_update=True) is None:
        raise NotFound.of("model", model_id)
    effective_from = new.effective_from or runtime().clock.now()
    earlier = _overrides_of(model_id).where(Price.effective_from <= effective_from)
    standing = session.scalar(earlier.order_by(Price.effective_from.desc()).limit(1))
    if standing is None:
        raise PreconditionFailed("It has no override by then: read the prices again.")
    check_precondition(if_match, _ONE.dump(standing))


def _overrides_of(model_id: str) -> Select[Price]:
    return select(Price).where(Price.model_id == model_id, Price.source == OVERRIDE)


def _check_room(session: Session, model_id: str) -> None:
    count = session.scalar(
        select(func.count())
        .select_from(Price)
        .where(Price.model_id == model_id, Price.source == OVERRIDE)
    )
    if (count or 0) >= MAX_OVERRIDES:
        raise Conflict(
            f"A model can have {MAX_OVERRIDES} overrides at most.", code="too_many_overrides"
        )


def _dump(row: Price, session: Session) -> dict[str, Any]:
    session.flush()  # the row's id is made by the flush
    dumped: dict[str, Any] = _ONE.dump(row)
    return dumped


def _cursor_of(row: Price) -> str:
    return encode_cursor(LISTING, [row.model_id, row.effective_from, row.id])
