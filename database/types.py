"""Column types that keep promises: time in UTC, money exact, JSON null as SQL null."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, TypeDecorator

__all__ = ["Json", "Money", "UtcDateTime"]

PICO = Decimal(10) ** 12


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC; naive ones are refused rather than guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: UTC, without a zone where the database has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time must say its zone")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: always aware, in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """US dollars as whole picodollars, so that both databases add them exactly.

    A bigint of picodollars holds 9.2 million dollars; a price of six decimals for a million
    tokens is exact to the token.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Dollars to picodollars; a finer amount is refused, never rounded in silence."""
        del dialect
        if value is None:
            return None
        pico = value * PICO
        if pico != pico.to_integral_value():
            raise ValueError("an amount is finer than a picodollar: round it where it is made")
        return int(pico)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Picodollars (or their sum, which PostgreSQL gives as numeric) to dollars."""
        del dialect
        return None if value is None else Decimal(int(value)) / PICO


Json = JSON(none_as_null=True)
