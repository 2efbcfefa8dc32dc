"""What tokens cost: exact, each part once, and never a cent that was not there."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.protocol import Usage
from services.costs.rates import Rates, RateSet, cost_of_usage

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
counts = st.integers(min_value=0, max_value=100_000_000)
rate = st.decimals(min_value=0, max_value=10_000, places=6)
usages = st.builds(Usage, counts, counts, counts, counts, counts, counts, counts, counts)
rate_sets = st.builds(
    RateSet,
    input=rate,
    output=rate,
    cached_input=st.none() | rate,
    cache_write=st.none() | rate,
    cache_write_1h=st.none() | rate,
    reasoning=st.none() | rate,
    input_audio=st.none() | rate,
    output_audio=st.none() | rate,
)


def test_each_part_is_paid_once_and_by_its_own_rate():
    """The cached part is not also plain input; reasoning is not also plain output."""
    usage = Usage(
        1000,
        500,
        cached_tokens=400,
        cache_write_tokens=100,
        cache_write_1h_tokens=40,
        reasoning_tokens=200,
    )
    rates = RateSet(
        input=Decimal(3),
        output=Decimal(15),
        cached_input=Decimal("0.3"),
        cache_write=Decimal("3.75"),
        cache_write_1h=Decimal(6),
        reasoning=Decimal(20),
    )

    cost = cost_of_usage(usage, rates)

    input_cost = Decimal("0.001500") + Decimal("0.000120")
    write_cost = Decimal("0.000225") + Decimal("0.000240")
    assert cost == input_cost + write_cost + Decimal("0.004500") + Decimal("0.004000")


@given(usages, rate_sets)
def test_a_cost_is_exact_to_half_a_picodollar(usage, rates):
    """Floats would drift; a thousand million calls later somebody would notice."""
    cost = cost_of_usage(usage, rates)

    cached = min(usage.cached_tokens, usage.input_tokens)
    for_an_hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    for_minutes = min(usage.cache_write_tokens - for_an_hour, usage.input_tokens - cached)
    for_an_hour = min(for_an_hour, usage.input_tokens - cached - for_minutes)
    hour_rate = rates.cache_write if rates.cache_write_1h is None else rates.cache_write_1h
    written = for_minutes + for_an_hour
    heard = min(usage.input_audio_tokens, usage.input_tokens - cached - written)
    thought = min(usage.reasoning_tokens, usage.output_tokens)
    spoken = min(usage.output_audio_tokens, usage.output_tokens - thought)
    parts = [
        (cached, rates.cached_input, rates.input),
        (for_minutes, rates.cache_write, rates.input),
        (for_an_hour, hour_rate, rates.input),
        (heard, rates.input_audio, rates.input),
        (usage.input_tokens - cached - written - heard, None, rates.input),
        (thought, rates.reasoning, rates.output),
        (spoken, rates.output_audio, rates.output),
        (usage.output_tokens - thought - spoken, None, rates.output),
    ]
    exact = sum(
        Fraction(tokens) * Fraction(whole if own is None else own) / 10**6
        for tokens, own, whole in parts
    )
    assert cost is not None
    assert abs(Fraction(cost) - exact) <= Fraction(1, 2 * 10**12)


@given(usages, rate)
def test_with_one_rate_for_all_the_parts_add_up_to_the_whole(usage, one):
    """However a provider cuts its count, no token is paid twice or not at all."""
    cost = cost_of_usage(usage, RateSet(input=one, output=one, reasoning=one, input_audio=one))

    tokens = usage.input_tokens + usage.output_tokens
    assert cost == (tokens * one / 10**6).quantize(Decimal("1E-12"))


@pytest.mark.parametrize(
    ("usage", "rates"),
    [
        (Usage(1, 0), RateSet(output=Decimal(1))),
        (Usage(1, 1), RateSet(input=Decimal(1))),
        (Usage(1, 0), RateSet()),
    ],
)
def test_tokens_without_a_rate_make_a_call_unpriced(usage, rates):
    """A missing rate read as zero would give the call away."""
    assert cost_of_usage(usage, rates) is None


def test_a_rate_of_zero_is_a_price():
    """What is free is priced, at zero: it is not unpriced."""
    assert cost_of_usage(Usage(5, 5), RateSet(input=Decimal(0), output=Decimal(0))) == 0


def test_a_call_can_have_a_price_of_its_own():
    """Some providers bill each request besides its tokens."""
    assert cost_of_usage(Usage(0, 0), RateSet(per_request=Decimal("0.005"))) == Decimal("0.005")


def test_rates_are_the_same_after_they_were_written_down():
    """The ledger keeps them as text; what was written must price as before."""
    written = {
        "input": "0.00000015",
        "output": "12",
        "tiers": [{"above_input_tokens": 10, "input": "1.5"}],
        "hours": [{"start": "16:30:00", "end": "00:30:00", "input": "0.1", "output": "1"}],
    }

    assert Rates.read(written).written() == written
    assert Rates.read(written).applied(11, AT).input == Decimal("1.5")
    assert Rates.read(written).applied(5, AT.replace(hour=0, minute=29)).output == 1


@pytest.mark.parametrize(("input_tokens", "rate"), [(10, "1"), (11, "1.5")])
def test_a_tier_begins_above_its_number_of_tokens(input_tokens, rate):
    """Providers bill a call of exactly that size by the lower rate."""
    rates = Rates.read({"input": "1", "tiers": [{"above_input_tokens": 10, "input": "1.5"}]})

    assert rates.applied(input_tokens, AT).input == Decimal(rate)


@pytest.mark.parametrize(
    ("start", "end", "at", "rate"),
    [
        ("08:00:00", "16:00:00", "07:59", "1"),
        ("08:00:00", "16:00:00", "08:00", "0.5"),
        ("08:00:00", "16:00:00", "16:00", "1"),
        ("22:00:00", "06:00:00", "22:00", "0.5"),
        ("22:00:00", "06:00:00", "06:00", "1"),
    ],
)
def test_hours_are_from_their_start_until_without_their_end(start, end, at, rate):
    """Each minute of a day has one price, over midnight as well."""
    rates = Rates.read({"input": "1", "hours": [{"start": start, "end": end, "input": "0.5"}]})
    hour, minute = map(int, at.split(":"))

    assert rates.applied(1, AT.replace(hour=hour, minute=minute)).input == Decimal(rate)
