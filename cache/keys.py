"""Arguments to keys: nobody writes a key by hand, and equal arguments give equal keys.

A logical key is `<namespace>:<owner>:<resource>:<digest of loader and arguments>`; a public
namespace has an empty owner. Arguments are told apart by type too: `1`, `True` and `"1"` differ.
"""

import dataclasses
import enum
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from inspect import Parameter, Signature, signature
from typing import Any

import msgspec

__all__ = ["KeyMaker", "canonical", "entry_key"]

DIGEST_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode


def canonical(value: Any) -> Any:
    """`value` as nested lists that name its type, for hashing.

    Raises:
        TypeError: two equal values of this type might differ when written down.
    """
    if type(value) is str:  # most are
        return ["str", value]
    if isinstance(value, enum.Enum):
        return ["enum", type(value).__qualname__, value.name]
    for kind, write in WRITERS:
        if isinstance(value, kind):
            return [kind.__name__, write(value)]
    return [type(value).__qualname__, _fields(value)]


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise TypeError("a time without a zone cannot be part of a cache key")
    return value.timestamp().hex()


WRITERS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (type(None), lambda value: value),
    (bool, lambda value: value),
    (int, str),
    (str, lambda value: value),
    (Decimal, str),
    (datetime, _instant),
    (date, date.isoformat),
    (tuple, lambda value: [canonical(each) for each in value]),
    (frozenset, lambda value: sorted(_encode(canonical(each)) for each in value)),
)


def _fields(value: Any) -> list[Any]:
    """The fields of a frozen dataclass or a frozen struct."""
    if isinstance(value, msgspec.Struct) and value.__struct_config__.frozen:
        names = value.__struct_fields__
    elif dataclasses.is_dataclass(value) and _is_frozen(value):
        names = tuple(each.name for each in dataclasses.fields(value))
    else:
        raise TypeError(f"{type(value).__name__} cannot be part of a cache key")
    return [[name, canonical(getattr(value, name))] for name in names]


def _is_frozen(value: Any) -> bool:
    return not isinstance(value, type) and bool(value.__dataclass_params__.frozen)


def entry_key(namespace: str, owner: str, resource: str, parts: tuple[Any, ...]) -> str:
    """The logical key of a value that `parts` name.

    Raises:
        TypeError: a part cannot be part of a key.
    """
    raw = _encode([canonical(each) for each in parts])
    return f"{namespace}:{owner}:{resource}:{_digest(raw)}"


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=DIGEST_BYTES).hexdigest()


class KeyMaker:
    """Makes the keys of one cached read."""

    def __init__(self, namespace: str, resource: str, loader: Callable[..., Any]) -> None:
        self._namespace = namespace
        self._resource = resource
        # Two loaders of one resource must not meet in one key.
        self._loader = f"{loader.__module__}.{loader.__qualname__}"
        self._signature: Signature = signature(loader)
        kinds = {each.kind for each in self._signature.parameters.values()}
        # Of a call that names all by position nothing is left to be bound.
        is_plain = kinds <= {Parameter.POSITIONAL_OR_KEYWORD, Parameter.POSITIONAL_ONLY}
        self._names = tuple(self._signature.parameters) if is_plain else None

    def key(self, owner: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, owned: bool) -> str:
        """The logical key of a call; defaults and the order of keywords make no difference.

        Raises:
            TypeError: the arguments do not fit, or one cannot be part of a key.
        """
        if self._names is not None and not kwargs and len(args) == len(self._names):
            values = list(zip(self._names, args, strict=True))
        else:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = list(bound.arguments.items())
        own = values[1:] if owned else values
        raw = _encode([self._loader, [[name, canonical(value)] for name, value in own]])
        return f"{self._namespace}:{owner}:{self._resource}:{_digest(raw)}"
