"""`.read(resource)`: the decorator that makes a loader a cached read.

The loader's annotated result decides how a hit is decoded: a `msgspec.Struct` into that struct, and
a change of its fields makes old entries misses; anything else as plain JSON.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import blake2b
from typing import Any

import msgspec

from cache import recording
from cache.freshness import NO_LEEWAY, STRICT, Freshness, Leeway
from cache.keys import KeyMaker
from cache.present import present_engine
from cache.results import CachedResult
from cache.scopes import Scope
from cache.transactions import check_not_writing

__all__ = ["ReadCall", "ReadSpec", "cached_read"]


@dataclass(frozen=True, slots=True)
class ReadSpec:
    """What a namespace says of one resource. `ttl_s` is before overrides."""

    namespace: str
    resource: str
    ttl_s: int
    shape: int
    scope_of: Callable[[str], Scope]
    freshness: Freshness = STRICT
    leeway: Leeway = NO_LEEWAY


@dataclass(frozen=True, slots=True)
class ReadCall:
    """One call of a cached read, ready for the engine.

    `is_typed`: `decode` refuses what is not of the loader's type, in place of any JSON.
    """

    spec: ReadSpec
    shape: str
    key: str
    scope: Scope
    load: Callable[[], Any]
    decode: Callable[[bytes], Any]
    is_typed: bool = False


def cached_read(spec: ReadSpec, loader: Callable[..., Any], *, owned: bool) -> Callable[..., Any]:
    """`loader` behind the cache of the running application.

    Args:
        spec: what the namespace says.
        loader: loads the value; its exceptions reach the caller and are not cached.
        owned: whether the first argument is the owner.
    """
    resource = f"{spec.namespace}.{spec.resource}"
    keys = KeyMaker(spec.namespace, spec.resource, loader)
    typed: list[
        tuple[str, Callable[[bytes], Any], bool]
    ] = []  # made at the first call: types resolve

    @wraps(loader)
    def read(*args: Any, **kwargs: Any) -> CachedResult[Any]:
        check_not_writing(resource)
        if owned and not args:
            raise TypeError(f"{loader.__name__}: the owner comes first, by position")
        owner = args[0] if owned else ""
        scope = spec.scope_of(owner)
        if not typed:
            typed.append(_typing(spec, loader))
        shape, decode, is_typed = typed[0]
        call = ReadCall(
            spec=spec,
            shape=shape,
            key=keys.key(owner, args, kwargs, owned=owned),
            scope=scope,
            load=lambda: _load(loader, args, kwargs),
            decode=decode,
            is_typed=is_typed,
        )
        return present_engine().read(call)

    read.cached_resource = (spec.namespace, spec.resource)  # type: ignore[attr-defined]  # for tests
    return read


def _load(loader: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    recording.spoil()  # what was not answered by hits alone cannot be answered by them again
    return loader(*args, **kwargs)


def _typing(spec: ReadSpec, loader: Callable[..., Any]) -> tuple[str, Callable[[bytes], Any], bool]:
    """The shape and decoder that the loader's annotation asks for, and whether it has types."""
    annotation = typing.get_type_hints(loader).get("return", Any)
    options = typing.get_args(annotation)
    is_union = isinstance(annotation, types.UnionType) or (
        typing.get_origin(annotation) is typing.Union
    )
    structs = [
        each
        for each in (options if is_union else (annotation,))
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    if not structs:
        return str(spec.shape), msgspec.json.Decoder().decode, False
    described = msgspec.json.encode(msgspec.json.schema(annotation))  # down to nested structs
    mark = blake2b(described, digest_size=4).hexdigest()
    return f"{spec.shape}.{mark}", msgspec.json.Decoder(annotation).decode, True
