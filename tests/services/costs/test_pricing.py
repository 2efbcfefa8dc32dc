"""Prices by instant: copied ones, overrides, and what has none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from cache.namespaces import MODELS, PROVIDERS
from cache.results import Outcome
from database.session import read_session
from database.tables.costs import Price
from database.tables.models import CatalogueProvider
from providers.protocol import Usage
from services.costs.pricing import BOOK, OVERRIDE, copy_prices, cost_of, load_price_list, price_at
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.factories.costs import MODEL, make_price

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _copy(provider_id: str, *names: str) -> int:
    with unit_of_work() as work:
        return copy_prices(work, provider_id, names)


def _make_provider(provider_id: str, *, base_url: str = "", wire_format: str = "openai") -> None:
    with unit_of_work() as work:
        now = runtime().clock.now()
        work.session.add(
            CatalogueProvider(
                id=provider_id,
                name=provider_id,
                wire_format=wire_format,
                base_url=base_url,
                origin="api",
                created_at=now,
                updated_at=now,
            )
        )
        work.invalidates(PROVIDERS.all(), MODELS.all())


def test_an_override_counts_from_its_instant_on(app):
    """Before it the copied price holds, after it the override, whatever is copied later."""
    make_price(app, input="2")
    make_price(app, source=OVERRIDE, effective_from=NOW, input="1")
    make_price(app, effective_from=NOW + timedelta(days=1), input="9")
    with app.app_context():
        before = price_at(MODEL, NOW - timedelta(microseconds=1))
        then = price_at(MODEL, NOW)
        later = price_at(MODEL, NOW + timedelta(days=2))

    assert [quote and quote.rates.input for quote in (before, then, later)] == [
        Decimal(2),
        Decimal(1),
        Decimal(1),
    ]


def test_before_its_first_price_a_model_is_unpriced(app):
    """A price is not stretched into a past it does not know."""
    make_price(app, effective_from=NOW)
    with app.app_context():
        assert price_at(MODEL, NOW - timedelta(seconds=1)) is None
        assert cost_of(Usage(1, 1), None) is None


def test_prices_at_many_instants_come_from_one_entry(app):
    """A key with an instant in it would never be hit."""
    make_price(app)
    with app.app_context():
        price_at(MODEL, NOW)
        price_at(MODEL, NOW + timedelta(hours=3))

        assert load_price_list(MODEL).outcome is Outcome.HIT


def test_a_quote_applies_tiers_by_the_size_of_the_call(app):
    """A long prompt is billed at its tier, in and out."""
    with app.app_context():
        _make_provider("anthropic", base_url="https://api.anthropic.com")
        _copy("anthropic", "claude-sonnet-4-5")
        quote = price_at("anthropic/claude-sonnet-4-5", NOW)

    assert cost_of(Usage(200_000, 1000), quote) == Decimal("0.615")
    assert cost_of(Usage(200_001, 1000), quote) == Decimal("1.200006") + Decimal("0.0225")


def test_a_sync_copies_what_the_book_knows_and_leaves_out_the_rest(app):
    """An unknown model must stay without a row: it is unpriced."""
    with app.app_context():
        priced = _copy("openai", "gpt-4o", "o3", "my-own-finetune")
        with read_session() as session:
            models = sorted(
                set(session.scalars(select(Price.model_id).where(Price.source == BOOK)))
            )

    assert priced == 2
    assert models == ["openai/gpt-4o", "openai/o3"]


def test_a_sync_without_news_writes_nothing(app):
    """Otherwise every sync would clear what is cached of all providers."""
    with app.app_context():
        _copy("openai", "gpt-4o")
        load_price_list("openai/gpt-4o")

        _copy("openai", "gpt-4o")

        assert load_price_list("openai/gpt-4o").outcome is Outcome.HIT


def test_a_sync_mends_its_own_prices_and_leaves_overrides_alone(app):
    """A corrected book reaches the table; what an operator set by hand stays."""
    with app.app_context():
        make_price(app, "openai/gpt-4o", input="77")
        make_price(app, "openai/gpt-4o", effective_from=NOW, input="78")
        make_price(app, "openai/gpt-4o", source=OVERRIDE, effective_from=NOW, input="5")

        _copy("openai", "gpt-4o")

        prices = load_price_list("openai/gpt-4o").value.prices
    assert sorted((price.source, price.rates.input) for price in prices) == [
        ("genai-prices", Decimal("2.5")),
        ("override", Decimal(5)),
    ]


def test_larders_own_demo_is_priced_at_zero(app):
    """It costs nothing, which is known: its calls are not unpriced."""
    with app.app_context():
        _make_provider("toy", wire_format="demo")
        _copy("toy", "parrot")

        assert cost_of(Usage(100, 100), price_at("toy/parrot", NOW)) == 0
        assert cost_of(Usage(100, 100), price_at("demo/echo", NOW)) == 0


@pytest.mark.parametrize("name", ["x" * 235, "a/b", "", "=1+1", "gpt-4o "])
def test_a_strange_name_has_no_price_and_breaks_nothing(app, name):
    """Names come from other people's servers."""
    with app.app_context():
        assert _copy("acme", name) == 0
