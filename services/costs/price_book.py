"""The prices that the `genai-prices` package brings along, as our own dated rates.

Only what is inside the package is read: its updater, which would fetch over the network, is never
started. What it cannot match has no price, which is not a price of zero.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices import data_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from services.costs.rates import EPOCH, RateHours, Rates, RateSet, RateTier

__all__ = ["find_prices"]

PRICE_KEYS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
}
REQUESTS_KEY = "requests_kcount"
THOUSAND = Decimal(1000)


def find_prices(provider_id: str, base_url: str, name: str) -> dict[datetime, Rates]:
    """What the package knows of a model's price, by the instant from which it holds.

    Where the money goes decides: a known address goes before the provider's id, so that an id of
    the operator's own choice does no harm.

    Args:
        provider_id: the provider's id in our catalogue.
        base_url: its address; may be empty.
        name: the provider's own name of the model.

    Returns:
        Rates by instant; none for an unknown provider or model.
    """
    model = _find_model(provider_id, base_url, name)
    if model is None:
        return {}
    prices = model.prices
    if isinstance(prices, ModelPrice):
        prices = [ConditionalPrice(prices=prices)]
    starts = sorted({_start_of(each) for each in prices if _is_dated(each)})
    found: dict[datetime, Rates] = {}
    for start in (date.min, *starts):
        rates = _rates_on(prices, start)
        if rates is not None and (rates.known() or rates.hours):
            instant = EPOCH if start == date.min else datetime.combine(start, time(), UTC)
            found[instant] = rates
    return found


def _find_model(provider_id: str, base_url: str, name: str) -> ModelInfo | None:
    snapshot = data_snapshot.get_snapshot()
    try:
        provider = snapshot.find_provider(None, None, base_url or None)
    except LookupError:
        try:
            provider = snapshot.find_provider(None, provider_id, None)
        except LookupError:
            return None
    try:
        return snapshot.find_provider_model(name, provider, None, None)[1]
    except LookupError:
        return None


def _is_dated(price: ConditionalPrice) -> bool:
    return isinstance(price.constraint, StartDateConstraint)


def _start_of(price: ConditionalPrice) -> date:
    constraint = price.constraint
    return constraint.start_date if isinstance(constraint, StartDateConstraint) else date.min


def _rates_on(prices: list[ConditionalPrice], day: date) -> Rates | None:
    """The rates that hold from `day` on: the package's rule is that the last active price counts.

    A price by the hour counts where it stands behind the price of the day.
    """
    base: int | None = None
    for place, price in enumerate(prices):
        is_daily = not isinstance(price.constraint, TimeOfDateConstraint)
        if is_daily and _start_of(price) <= day:
            base = place
    if base is None:  # the package's own way out: the first price
        base = 0
    hours = tuple(
        _hours(price.constraint, price.prices)
        for price in prices[base + 1 :]
        if isinstance(price.constraint, TimeOfDateConstraint)
    )
    plain = prices[base].prices
    return Rates(**_base_rates(plain), tiers=_tiers(plain), hours=hours)


def _hours(constraint: TimeOfDateConstraint, price: ModelPrice) -> RateHours:
    return RateHours(
        **_base_rates(price),
        start=_utc(constraint.start_time),
        end=_utc(constraint.end_time),
    )


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 2), moment).astimezone(UTC).time()


def _base_rates(price: ModelPrice) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for key, kind in PRICE_KEYS.items():
        rate = getattr(price, key)
        if rate is not None:
            found[kind] = rate.base if isinstance(rate, TieredPrices) else rate
    requests = getattr(price, REQUESTS_KEY)
    if isinstance(requests, Decimal):
        found["per_request"] = requests / THOUSAND
    return found


def _tiers(price: ModelPrice) -> tuple[RateTier, ...]:
    """The package has tiers by kind, we have kinds by tier."""
    by_start: dict[int, dict[str, Decimal]] = {}
    for key, kind in PRICE_KEYS.items():
        rate = getattr(price, key)
        if isinstance(rate, TieredPrices):
            for tier in rate.tiers:
                by_start.setdefault(tier.start, {})[kind] = tier.price
    return tuple(
        RateTier(above_input_tokens=start, **RateSet(**kinds).known())
        for start, kinds in sorted(by_start.items())
    )
