"""Fields that every schema shares: bounded text, exact money, UTC times."""

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from telemetry.clock import SYSTEM_CLOCK

__all__ = [
    "Day",
    "Flag",
    "Id",
    "Items",
    "Money",
    "Name",
    "StrictSchema",
    "Text",
    "UtcTime",
    "WholeNumber",
    "money_text",
    "one_line",
]

MAX_ID_CHARS = 300
MAX_NUMBER_CHARS = 30
MAX_TIME_CHARS = 40
MAX_FAULTS = 20
READ_AT_ONCE = 100
DAY_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LINE_BREAKING = {"Cc", "Zl", "Zp"}
"""Unicode's categories of control characters and separators of lines."""
FIRST_YEAR, LAST_YEAR = 2000, 2199


class StrictSchema(Schema):
    """A schema that refuses unknown fields and keeps the order of its own."""

    class Meta:
        """marshmallow's options."""

        unknown = "raise"


class Text(fields.String):
    """Text of bounded length without NUL or lone surrogates, which no database stores."""

    def __init__(self, *, max_chars: int, min_chars: int = 0, **kwargs: Any) -> None:
        length = validate.Length(min=min_chars, max=max_chars)
        extra = kwargs.pop("validate", None)
        checks = [length] if extra is None else [length, extra]
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text:
            raise ValidationError("Must not contain the NUL character.")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ValidationError("Must be valid Unicode text.")
        return text


class Name(Text):
    """A name or title: one line of text, so that no list or terminal is disturbed by it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if any(unicodedata.category(char) in LINE_BREAKING for char in text):
            raise ValidationError("Must be one line without control characters.")
        return text


def one_line(text: str) -> str:
    """`text` as a `Name` may be: what would break its line, or is no character, is a space."""
    return "".join(" " if unicodedata.category(char) in LINE_BREAKING else char for char in text)


class Id(Text):
    """An opaque id."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_chars=1, max_chars=MAX_ID_CHARS, **kwargs)


class Items(fields.List[Any]):
    """A list of bounded length, of which no more is looked at than its answer needs.

    One that is too long is refused as it is, and a faulty one read up to its first faults: else
    some megabytes of nothing (`[{},{},…]`) hold a worker up for a minute.
    """

    def __init__(
        self,
        inner: fields.Field[Any],
        *,
        max_items: int,
        min_items: int | None = None,
        **kwargs: Any,
    ) -> None:
        self._length = validate.Length(min=min_items, max=max_items)
        super().__init__(inner, validate=self._length, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        del attr, data
        if not isinstance(value, list):
            raise self.make_error("invalid")
        self._length(value)
        loaded: list[Any] = []
        faults: dict[int, Any] = {}
        for place, each in enumerate(value):
            if place % READ_AT_ONCE == READ_AT_ONCE - 1:
                SYSTEM_CLOCK.sleep(0)  # an import has thousands: others come between
            try:
                loaded.append(self.inner.deserialize(each, **kwargs))
            except ValidationError as fault:
                faults[place] = fault.messages
                if len(faults) == MAX_FAULTS:
                    break
        if faults:
            raise ValidationError(faults)
        return loaded


class Flag(fields.Boolean):
    """JSON's `true` or `false`; no number or word stands for one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        del attr, data, kwargs
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class WholeNumber(fields.Integer):
    """A whole number between bounds; a boolean or a fraction is refused, not rounded."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(min=low, max=high), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        if isinstance(value, str):
            if (
                not value.isascii()
                or not value.removeprefix("-").isdigit()
                or len(value) > MAX_NUMBER_CHARS
            ):
                raise self.make_error("invalid", input=value)
            value = int(value)
        number = super()._deserialize(value, attr, data, **kwargs)
        assert number is not None  # noqa: S101 (marshmallow's type allows None it never gives)
        return number


def _described(options: dict[str, Any], **said: str) -> dict[str, Any]:
    """`options` of a field that the OpenAPI document cannot guess the JSON type of: text."""
    return {**options, "metadata": {"type": "string", **said, **options.get("metadata", {})}}


class Money(fields.Field[Decimal]):
    """US dollars as a decimal string; never a float."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_described(options, format="decimal"))

    default_error_messages = {  # noqa: RUF012 (marshmallow's own form)
        "invalid": 'Must be an amount in US dollars as a string, such as "0.25".',
        "bounds": "Must be from 0 to 1000000 with at most 12 decimals.",
    }

    def _serialize(self, value: Decimal | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        return None if value is None else money_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        del attr, data, kwargs
        plain = isinstance(value, str) and len(value) <= MAX_NUMBER_CHARS
        if not plain or not value.isascii() or not value.replace(".", "", 1).isdigit():
            raise self.make_error("invalid")
        amount = Decimal(value)
        exponent = amount.as_tuple().exponent
        if amount > 1_000_000 or (isinstance(exponent, int) and exponent < -12):  # noqa: PLR2004
            raise self.make_error("bounds")
        return amount


def money_text(amount: Decimal) -> str:
    """An amount in plain digits: no needless zeros, no exponent."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


class Day(fields.Field[date]):
    """A day in UTC, written 2026-01-31."""

    default_error_messages = {  # noqa: RUF012 (marshmallow's own form)
        "invalid": "Must be a day such as 2026-01-31, in the years 2000 to 2199.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**_described(options, format="date"))

    def _serialize(self, value: date | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        return None if value is None else value.isoformat()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        del attr, data, kwargs
        if not isinstance(value, str) or not DAY_FORM.fullmatch(value):
            raise self.make_error("invalid")
        try:
            day = date.fromisoformat(value)
        except ValueError as wrong:
            raise self.make_error("invalid") from wrong
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise self.make_error("invalid")
        return day


class UtcTime(fields.Field[datetime]):
    """An RFC 3339 instant in UTC, written with `Z`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_described(options, format="date-time"))

    default_error_messages = {  # noqa: RUF012 (marshmallow's own form)
        "invalid": "Must be an RFC 3339 time, such as 2026-01-31T12:00:00Z.",
        "zone": "Must say its zone: end it with Z for UTC.",
    }

    def _serialize(self, value: datetime | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        del attr, obj, kwargs
        if value is None:
            return None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        del attr, data, kwargs
        if not isinstance(value, str) or len(value) > MAX_TIME_CHARS or "T" not in value.upper():
            raise self.make_error("invalid")
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                raise self.make_error("zone")
            return instant.astimezone(UTC)
        except (ValueError, OverflowError) as wrong:
            if isinstance(wrong, ValidationError):
                raise
            raise self.make_error("invalid") from wrong
