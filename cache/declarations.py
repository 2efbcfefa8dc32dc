"""What a namespace is: declared once, and the only way to read or invalidate what it holds.

A new cached resource is one word of a declaration. A namespace with owners can be neither read nor
invalidated without one: leaving it out is a type error, and a `TypeError` at the call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Concatenate, Generic, ParamSpec, TypeVar

from cache.freshness import NO_LEEWAY, STRICT, Freshness, Leeway
from cache.reads import ReadSpec, cached_read
from cache.results import CachedResult
from cache.scopes import EVERYONE, Scope
from cache.slots import Slots

__all__ = ["Namespace", "PublicNamespace", "ScopedNamespace", "namespace_scope"]

S = TypeVar("S", bound=str)
Owner = TypeVar("Owner", bound=str)
P = ParamSpec("P")
R = TypeVar("R")


def namespace_scope(name: str) -> Scope:
    """The scope that every entry of a namespace depends on; bumping it clears the namespace."""
    return Scope(f"ns:{name}")


@dataclass(frozen=True, eq=False)
class Namespace:
    """One namespace.

    Attributes:
        name: its name.
        ttls: seconds by resource.
        owners: whose entries it holds, in words.
        freshness: what a hit promises.
        leeway: by resource, what it allows beyond that; nothing where none is named.
        stripes: rows of the scope of views over everyone.
        warmed_by: names of the warming strategies that fill it.
        closed: by resource, why none of its entries is set by hand: Larder itself goes by them.
    """

    name: str
    ttls: Mapping[str, int]
    owners: str
    freshness: Freshness = STRICT
    leeway: Mapping[str, Leeway] = field(default_factory=dict)
    stripes: int = 1
    warmed_by: tuple[str, ...] = ()
    closed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        """Whether all who may ask get the same answer."""
        return isinstance(self, PublicNamespace)

    def _spec(self, resource: str, shape: int) -> ReadSpec:
        if resource not in self.ttls:
            raise LookupError(f"{self.name} has no resource {resource!r}: declare its TTL")
        return ReadSpec(
            namespace=self.name,
            resource=resource,
            ttl_s=self.ttls[resource],
            shape=shape,
            scope_of=self.scope_of,
            freshness=self.freshness,
            leeway=self.leeway.get(resource, NO_LEEWAY),
        )

    def scope_of(self, owner: str) -> Scope:
        """The scope of one owner, or of all for a public namespace (owner is empty)."""
        raise NotImplementedError


class PublicNamespace(Namespace):
    """The same answer for everybody who may ask."""

    def scope_of(self, owner: str) -> Scope:
        """The namespace's one scope."""
        if owner:
            raise TypeError(f"{self.name} is public: it has no owners")
        return Scope(f"{self.name}:all")

    def all(self) -> Scope:
        """What a write to it changes."""
        return self.scope_of("")

    def read(
        self, resource: str, *, shape: int = 1
    ) -> Callable[[Callable[P, R]], Callable[P, CachedResult[R]]]:
        """Make a loader a cached read of `resource`.

        Args:
            resource: a name of the TTL table.
            shape: raise it when the loader's answer changes its shape: old entries are misses.
        """
        spec = self._spec(resource, shape)

        def decorate(loader: Callable[P, R]) -> Callable[P, CachedResult[R]]:
            return cached_read(spec, loader, owned=False)

        return decorate


class ScopedNamespace(Namespace, Generic[S]):
    """Each owner's own answers."""

    def scope_of(self, owner: str) -> Scope:
        """The scope of `owner`'s entries."""
        if not owner or type(owner) is not str:
            raise TypeError(f"{self.name} needs an owner")
        return Scope(f"{self.name}:{owner}", self.stripes if owner == EVERYONE else 1)

    def of(self, owner: S) -> Scope:
        """What a write to `owner`'s part changes."""
        return self.scope_of(owner)

    def read(
        self, resource: str, *, shape: int = 1
    ) -> Callable[
        [Callable[Concatenate[Owner, P], R]], Callable[Concatenate[Owner, P], CachedResult[R]]
    ]:
        """Make a loader, whose first argument is the owner, a cached read of `resource`.

        Callers are held to the kind of owner that the loader names: a namespace with several kinds
        does not let one stand for another.

        Args:
            resource: a name of the TTL table.
            shape: raise it when the loader's answer changes its shape: old entries are misses.
        """
        spec = self._spec(resource, shape)

        def decorate(
            loader: Callable[Concatenate[Owner, P], R],
        ) -> Callable[Concatenate[Owner, P], CachedResult[R]]:
            return cached_read(spec, loader, owned=True)

        return decorate

    def slots(self, resource: str, *, shape: int = 1) -> Slots[S]:
        """The entries of `resource`, for values that no loader can make: see `cache.slots`.

        Args:
            resource: a name of the TTL table.
            shape: raise it when the values change their shape: old entries are misses.

        Raises:
            TypeError: the namespace is neither `immutable` nor `ttl`.
        """
        return Slots(self._spec(resource, shape))
