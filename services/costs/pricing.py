"""Our own dated prices: copied from the price book, overridden by hand, read through the cache.

A call is priced by what held when it was made. From its instant on an override goes before every
copied price. A model without a price is unpriced: that is `None`, and never zero.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

from cache.namespaces import PROVIDERS
from database.session import read_session
from database.tables.costs import Price
from database.tables.models import CatalogueProvider
from providers.protocol import Usage
from services.costs.rates import EPOCH, Rates, RateSet, cost_of_usage
from services.runtime import runtime
from services.unit_of_work import UnitOfWork

__all__ = [
    "BOOK",
    "OVERRIDE",
    "OWN",
    "DatedPrice",
    "PriceList",
    "PriceQuote",
    "copy_prices",
    "cost_of",
    "load_price_list",
    "price_at",
]

OVERRIDE = "override"
BOOK = "genai-prices"
OWN = "larder"
FREE = Rates(input=Decimal(0), output=Decimal(0))
"""What Larder's own demo costs. It is a price, so that such calls are priced: at zero."""
DEMO_FORMAT = "demo"


class DatedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the price table."""

    id: str
    source: str
    effective_from: datetime
    rates: Rates


class PriceList(msgspec.Struct, frozen=True):
    """All prices of one model, past and future."""

    prices: tuple[DatedPrice, ...]

    def at(self, instant: datetime) -> DatedPrice | None:
        """The price that holds at `instant`."""
        begun = [price for price in self.prices if price.effective_from <= instant]
        overrides = [price for price in begun if price.source == OVERRIDE]
        return max(overrides or begun, key=lambda price: price.effective_from, default=None)


class PriceQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one model at one instant."""

    model_id: str
    price_id: str
    source: str
    priced_at: datetime
    rates: Rates

    def rates_for(self, usage: Usage) -> RateSet:
        """The one set of rates that `usage` is paid by."""
        return self.rates.applied(usage.input_tokens, self.priced_at)


@PROVIDERS.read("price")
def load_price_list(model_id: str) -> PriceList:
    """All prices of a model; none for one that nobody knows."""
    with read_session() as session:
        rows = session.scalars(select(Price).where(Price.model_id == model_id)).all()
    return PriceList(
        tuple(
            DatedPrice(
                id=row.id,
                source=row.source,
                effective_from=row.effective_from,
                rates=Rates.read(row.rates),
            )
            for row in rows
        )
    )


def price_at(model_id: str, instant: datetime) -> PriceQuote | None:
    """The price of a model at an instant.

    The cache holds the model's whole list, so that its key names no instant.

    Returns:
        The price, or `None` for a model that has none then: it is unpriced.
    """
    price = load_price_list(model_id).value.at(instant)
    if price is None:
        return None
    return PriceQuote(
        model_id=model_id,
        price_id=price.id,
        source=price.source,
        priced_at=instant,
        rates=price.rates,
    )


def cost_of(usage: Usage, quote: PriceQuote | None) -> Decimal | None:
    """What `usage` costs by `quote`, in US dollars to the picodollar.

    Returns:
        The cost, or `None` where there is no price or it leaves some of the tokens out.
    """
    return None if quote is None else cost_of_usage(usage, quote.rates_for(usage))


def copy_prices(work: UnitOfWork, provider_id: str, names: Iterable[str]) -> int:
    """Copy the price book's prices of a provider's models into our table, within `work`.

    To be called when a provider's models were synced. What stands there already is left alone, so
    that a sync without news writes nothing; overrides are never touched.

    Args:
        work: the transaction of the sync.
        provider_id: whose models they are; its row may be new in the same transaction.
        names: the provider's own names of its models.

    Returns:
        How many of the models have a price now.
    """
    # Only whoever syncs pays for it: it takes 15 MB and a tenth of a second.
    from services.costs import price_book  # noqa: PLC0415

    provider = work.session.scalar(
        select(CatalogueProvider).where(CatalogueProvider.id == provider_id)
    )
    base_url = provider.base_url if provider else ""
    is_demo = provider is not None and provider.wire_format == DEMO_FORMAT
    wanted: dict[str, dict[datetime, Rates]] = {}
    for name in names:
        free = {EPOCH: FREE}
        wanted[f"{provider_id}/{name}"] = (
            free if is_demo else price_book.find_prices(provider_id, base_url, name)
        )
    _replace(work, wanted, OWN if is_demo else BOOK)
    return sum(1 for prices in wanted.values() if prices)


def _replace(work: UnitOfWork, wanted: Mapping[str, Mapping[datetime, Rates]], source: str) -> None:
    """Make the prices of `source` for the models in `wanted` what they are there."""
    standing: dict[tuple[str, datetime], Price] = {}
    for model_ids in _batches(list(wanted)):
        rows = work.session.scalars(
            select(Price).where(Price.model_id.in_(model_ids), Price.source == source)
        )
        standing |= {(row.model_id, row.effective_from): row for row in rows}
    news: dict[tuple[str, datetime], dict[str, Any]] = {
        (model_id, instant): rates.written()
        for model_id, prices in wanted.items()
        for instant, rates in prices.items()
    }
    is_changed = False
    for place, row in standing.items():
        if place not in news:
            work.session.delete(row)
            is_changed = True
    for place, rates in news.items():
        known = standing.get(place)
        if known is not None and known.rates == rates:
            continue
        is_changed = True
        if known is not None:
            known.rates = rates
            continue
        work.session.add(
            Price(
                model_id=place[0],
                source=source,
                effective_from=place[1],
                rates=rates,
                created_at=runtime().clock.now(),
            )
        )
    if is_changed:
        work.invalidates(PROVIDERS.all())


def _batches(model_ids: list[str], size: int = 500) -> Iterable[list[str]]:
    """So few at once that no database's limit of parameters is met."""
    for begin in range(0, len(model_ids), size):
        yield model_ids[begin : begin + size]
