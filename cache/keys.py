"""Arguments to keys: nobody writes a key by hand, and equal arguments give equal keys.

A logical key is `<namespace>:<owner>:<resource>:<digest of the arguments>`; a public namespace has
an empty owner. Arguments are told apart by type too: `1`, `True` and `"1"` are three keys.
"""

import dataclasses
import enum
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from inspect import Signature, signature
from typing import Any

import msgspec

__all__ = ["KeyMaker", "canonical"]

NO_ARGUMENTS = "-"
DIGEST_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode


def canonical(value: Any) -> Any:
    """`value` as nested lists that name its type, for hashing.

    Raises:
        TypeError: two equal values of this type might differ when written down.
    """
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return [type(value).__name__, value]
    if isinstance(value, enum.Enum):
        return ["enum", type(value).__qualname__, value.name]
    if isinstance(value, Decimal):
        return ["decimal", str(value)]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without a zone cannot be part of a cache key")
        return ["datetime", value.timestamp().hex()]
    if isinstance(value, date):
        return ["date", value.isoformat()]
    if isinstance(value, tuple):
        return ["tuple", [canonical(each) for each in value]]
    if isinstance(value, frozenset):
        return ["frozenset", sorted(_encode(canonical(each)) for each in value)]
    return [type(value).__qualname__, _fields(value)]


def _fields(value: Any) -> list[Any]:
    """The fields of a frozen dataclass or a frozen struct."""
    if isinstance(value, msgspec.Struct) and value.__struct_config__.frozen:
        names = value.__struct_fields__
    elif (
        dataclasses.is_dataclass(value)
        and not isinstance(value, type)
        and value.__dataclass_params__.frozen  # type: ignore[attr-defined] (set by dataclass)
    ):
        names = tuple(each.name for each in dataclasses.fields(value))
    else:
        raise TypeError(f"{type(value).__name__} cannot be part of a cache key")
    return [[name, canonical(getattr(value, name))] for name in names]


class KeyMaker:
    """Makes the keys of one cached read."""

    def __init__(self, namespace: str, resource: str, loader: Callable[..., Any]) -> None:
        self._namespace = namespace
        self._resource = resource
        self._signature: Signature = signature(loader)

    def key(self, owner: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, owned: bool) -> str:
        """The logical key of a call; defaults and the order of keywords make no difference.

        Raises:
            TypeError: the arguments do not fit, or one cannot be part of a key.
        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = list(bound.arguments.items())[1 if owned else 0 :]
        digest = NO_ARGUMENTS
        if values:
            raw = _encode([[name, canonical(value)] for name, value in values])
            digest = blake2b(raw, digest_size=DIGEST_BYTES).hexdigest()
        return f"{self._namespace}:{owner}:{self._resource}:{digest}"
