"""Our reading of the price book against the book's own arithmetic."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage as BookUsage
from genai_prices import data_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider

from providers.protocol import Usage
from services.costs.price_book import find_prices
from services.costs.rates import EPOCH, Rates, cost_of_usage

PRICED_BY_TOKEN = {
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "output_reasoning_mtok",
    "web_searches_kcount",  # of which the calls below have none
}
PROVIDERS = data_snapshot.get_snapshot().providers


def _is_ours(prices: ModelPrice | list[ConditionalPrice]) -> bool:
    every = [each.prices for each in prices] if isinstance(prices, list) else [prices]
    return all(
        {key for key, rate in price.__dict__.items() if rate is not None} <= PRICED_BY_TOKEN
        and price.input_mtok is not None
        and price.output_mtok is not None
        for price in every
    )


def _theirs(model: ModelInfo, provider: Provider, usage: Usage, instant: datetime) -> Decimal:
    counted = BookUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    return model.calc_price(counted, provider, genai_request_timestamp=instant).total_price


def _ours(prices: dict[datetime, Rates], usage: Usage, instant: datetime) -> Decimal | None:
    begun = max(start for start in prices if start <= instant)
    return cost_of_usage(usage, prices[begun].applied(usage.input_tokens, instant))


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.id)
def test_every_model_of_the_book_costs_what_the_book_says(provider):
    """A misread date, tier or hour would misprice calls in silence."""
    dice = random.Random(provider.id)  # noqa: S311 (the same cases every time)
    for model in provider.models:
        if not _is_ours(model.prices) or provider.find_model(model.id) is not model:
            continue
        prices = find_prices(provider.id, "", model.id)
        cached, written = dice.randrange(150_000), dice.randrange(50_000)
        reasoning = dice.randrange(5_000)
        usage = Usage(
            cached + written + dice.randrange(200_000),
            reasoning + dice.randrange(5_000),
            cached_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=dice.randrange(written + 1),
            reasoning_tokens=reasoning,
        )
        instant = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(2_000_000))

        assert _ours(prices, usage, instant) == _theirs(model, provider, usage, instant).quantize(
            Decimal("1E-12")
        ), model.id


def test_a_dated_price_begins_at_its_own_day():
    """The past is priced by what it cost then."""
    prices = find_prices("openai", "", "o3")

    assert {start: rates.input for start, rates in prices.items()} == {
        EPOCH: Decimal(10),
        datetime(2025, 6, 10, tzinfo=UTC): Decimal(2),
    }


def test_a_size_tier_replaces_the_rates_of_the_whole_call():
    """Providers bill long prompts at the higher rate from the first token on."""
    (rates,) = find_prices("anthropic", "", "claude-sonnet-4-5").values()

    assert rates.applied(200_000, EPOCH).input == Decimal(3)
    assert rates.applied(200_001, EPOCH).input == Decimal(6)


def test_the_hours_of_a_day_have_their_own_rates():
    """Some providers sell their nights cheaper."""
    (rates,) = find_prices("deepseek", "", "deepseek-chat").values()

    assert rates.applied(1, datetime(2026, 1, 1, 3, tzinfo=UTC)).input == Decimal("0.27")
    assert rates.applied(1, datetime(2026, 1, 1, 20, tzinfo=UTC)).input == Decimal("0.135")


@pytest.mark.parametrize(
    ("provider_id", "base_url", "name"),
    [("openai", "", "no-such-model"), ("mine", "http://127.0.0.1:8080/v1", "gpt-4o")],
)
def test_what_the_book_does_not_know_has_no_price(provider_id, base_url, name):
    """An unknown price is unpriced, never zero, and never another provider's."""
    assert find_prices(provider_id, base_url, name) == {}


def test_the_address_goes_before_the_id():
    """An operator may call a provider what they like; the money goes where the address says."""
    by_address = find_prices("openai", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile")

    assert by_address == find_prices("groq", "", "llama-3.3-70b-versatile")
    assert by_address
