"""Prices that may be set by hand."""

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from schemas.costs_pricing import PriceOverrideSchema
from services.costs.rates import Rates

PLAIN = {"input": "1.25", "output": "10"}


def test_an_override_is_exact_text_and_can_be_priced_with():
    """What is stored must be what was sent, digit for digit."""
    tier = {"above_input_tokens": 200_000, "input": "2.50"}
    loaded = PriceOverrideSchema().load({"rates": {**PLAIN, "tiers": [tier]}})

    assert loaded.rates["input"] == "1.25"
    assert (
        Rates.read(loaded.rates).applied(200_001, datetime(2026, 1, 1, tzinfo=UTC)).input
        == Rates.read({"input": "2.5"}).input
    )


@pytest.mark.parametrize(
    "rate",
    ["-1", "1e3", "1E-9", "NaN", "Infinity", "10000.01", "0.0000000000001", 1, 1.5, None, "", "٣"],
)
def test_a_rate_that_is_no_plain_amount_is_refused(rate):
    """A float, an exponent or a negative rate would make sums wrong without a word."""
    with pytest.raises(ValidationError) as refused:
        PriceOverrideSchema().load({"rates": {**PLAIN, "cached_input": rate}})

    assert list(refused.value.normalized_messages()["rates"]) == ["cached_input"]


@pytest.mark.parametrize(
    "rates",
    [
        {},
        {"input": "1"},
        {**PLAIN, "images": "1"},
        {**PLAIN, "tiers": []},
        {**PLAIN, "tiers": [{"input": "1"}]},
        {**PLAIN, "tiers": [{"above_input_tokens": 9}, {"above_input_tokens": 9}]},
        {**PLAIN, "tiers": [{"above_input_tokens": n} for n in range(1, 10)]},
        {**PLAIN, "tiers": "all"},
        "free",
    ],
)
def test_rates_that_leave_something_open_are_refused(rates):
    """Input and output are the least; what is not known is not guessed."""
    with pytest.raises(ValidationError):
        PriceOverrideSchema().load({"rates": rates})


@pytest.mark.parametrize("instant", ["1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "now", 5])
def test_an_instant_out_of_bounds_is_refused(instant):
    """A mistyped year would price nothing, for ever."""
    with pytest.raises(ValidationError) as refused:
        PriceOverrideSchema().load({"rates": PLAIN, "effective_from": instant})

    assert list(refused.value.normalized_messages()) == ["effective_from"]
