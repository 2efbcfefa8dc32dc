"""Rates, and what tokens cost by them: exact decimals, rounded once, at the end.

Rates are US dollars for a million tokens; `per_request` is dollars for one call. A rate that is
absent is not zero: tokens that no rate covers make a call unpriced.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import msgspec

from providers.protocol import Usage

__all__ = ["EPOCH", "KINDS", "RateHours", "RateSet", "RateTier", "Rates", "cost_of_usage"]

KINDS = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "output_audio",
    "per_request",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""From when rates without a date hold."""
MILLION = Decimal(1_000_000)
PICODOLLAR = Decimal("1E-12")
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class RateSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rate a kind of token; `None` where there is no rate of its own."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    per_request: Decimal | None = None

    def known(self) -> dict[str, Decimal]:
        """The rates that there are, by kind."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: rate for kind, rate in found.items() if rate is not None}

    def written(self) -> dict[str, Any]:
        """As JSON-able values, for a table or a client: every rate in plain digits."""
        return {kind: format(rate, "f") for kind, rate in self.known().items()}


class RateTier(RateSet, frozen=True, kw_only=True, omit_defaults=True):
    """Rates for all tokens of a call whose input is larger than `above_input_tokens`."""

    above_input_tokens: int

    def written(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {"above_input_tokens": self.above_input_tokens, **super().written()}


class RateHours(RateSet, frozen=True, kw_only=True, omit_defaults=True):
    """Rates from `start` until `end` of each day, in UTC; `end` before `start` spans midnight."""

    start: time
    end: time

    def covers(self, instant: datetime) -> bool:
        """Whether these hours hold at `instant`."""
        now = instant.astimezone(UTC).time()
        if self.end < self.start:
            return now >= self.start or now < self.end
        return self.start <= now < self.end

    def written(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            **super().written(),
        }


class Rates(RateSet, frozen=True, kw_only=True, omit_defaults=True):
    """All that a price says: plain rates, and what replaces them by size or by time of day.

    Tiers stand in rising order, and the last that applies counts; so it is with hours.
    """

    tiers: tuple[RateTier, ...] = ()
    hours: tuple[RateHours, ...] = ()

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Rates":
        """Rates again from what `written` gave.

        Raises:
            msgspec.ValidationError: these are not rates.
        """
        return msgspec.convert(written, cls)

    def written(self) -> dict[str, Any]:
        """As JSON-able values."""
        found = super().written()
        if self.tiers:
            found["tiers"] = [tier.written() for tier in self.tiers]
        if self.hours:
            found["hours"] = [hours.written() for hours in self.hours]
        return found

    def applied(self, input_tokens: int, instant: datetime) -> RateSet:
        """The one set of rates for a call at `instant` with so much input."""
        found = self.known()
        for hours in self.hours:
            if hours.covers(instant):
                found = hours.known()
        for tier in self.tiers:
            if input_tokens > tier.above_input_tokens:
                found |= tier.known()
        return RateSet(**found)


def cost_of_usage(usage: Usage, rates: RateSet) -> Decimal | None:
    """What `usage` costs by `rates`, in US dollars, rounded half-even to the picodollar.

    Each part is paid once: cached input is not also plain input, reasoning not also plain output.
    A part without a rate of its own is paid as the whole it belongs to.

    Returns:
        The cost, or `None` when there are tokens that no rate covers.
    """
    with localcontext(EXACT):
        total = rates.per_request or Decimal(0)
        for tokens, rate in _parts(usage, rates):
            if tokens and rate is None:
                return None
            if rate is not None:
                total += tokens * rate / MILLION
        return total.quantize(PICODOLLAR)


def _parts(usage: Usage, rates: RateSet) -> list[tuple[int, Decimal | None]]:
    """The usage as disjoint parts, each with its rate.

    Parts that a provider counts higher than their whole are cut to it, in this order.
    """
    parts: list[tuple[int, Decimal | None]] = []
    for_an_hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    hour_rate = rates.cache_write if rates.cache_write_1h is None else rates.cache_write_1h
    sides = (
        (
            usage.input_tokens,
            rates.input,
            (
                (usage.cached_tokens, rates.cached_input),
                (usage.cache_write_tokens - for_an_hour, rates.cache_write),
                (for_an_hour, hour_rate),
                (usage.input_audio_tokens, rates.input_audio),
            ),
        ),
        (
            usage.output_tokens,
            rates.output,
            (
                (usage.reasoning_tokens, rates.reasoning),
                (usage.output_audio_tokens, rates.output_audio),
            ),
        ),
    )
    for whole, whole_rate, inner in sides:
        left = whole
        for tokens, rate in inner:
            part = min(tokens, left)
            parts.append((part, whole_rate if rate is None else rate))
            left -= part
        parts.append((left, whole_rate))
    return parts
