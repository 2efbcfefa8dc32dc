"""Slots: entries for values that come from elsewhere than a loader, such as a streamed answer.

A module declares them as it declares a cached read, and whoever has made a value keeps it:

    ANSWERS = RESPONSES.slots("chat")

    slot = ANSWERS.of(owner, digest)
    found = slot.lookup()
    if found is None:
        ...
        slot.keep(answer, ttl_s=600)

A slot takes its stamp when it is made, so a purge between the look and the keeping holds: what was
made before it is never served after it. It may be carried to another thread or context.
"""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from cache.generations import Stamp
from cache.keys import entry_key
from cache.present import present_engine
from cache.reads import ReadCall, ReadSpec
from cache.results import CachedResult, ReadPolicy, encode_body, read_policy

if TYPE_CHECKING:
    from cache.engine import CacheEngine

__all__ = ["Slot", "Slots"]

S = TypeVar("S", bound=str)
_decode = msgspec.json.Decoder().decode


class Slots(Generic[S]):
    """The slots of one resource.

    Args:
        spec: what the namespace says of it.

    Raises:
        TypeError: the namespace is neither `immutable` nor `ttl`: its entries need a loader.
    """

    def __init__(self, spec: ReadSpec) -> None:
        if spec.freshness.is_derived:
            raise TypeError(f"{spec.namespace} follows from the database: read it through a loader")
        self._spec = spec
        self.cached_resource = (spec.namespace, spec.resource)  # for tests

    def of(self, owner: S, *parts: Any) -> "Slot":
        """The slot of `owner` that `parts` name.

        Args:
            owner: whose entry it is.
            parts: all that the value depends on, in types that `cache.keys` knows (text, numbers,
                tuples, frozen structs, …); long ones are best given as a hash.

        Raises:
            Exception: whatever the generations' store raises, if nothing is known of the owner.
        """
        spec = self._spec
        return Slot(
            present_engine(),
            ReadCall(
                spec=spec,
                shape=str(spec.shape),
                key=entry_key(spec.namespace, owner, spec.resource, parts),
                scope=spec.scope_of(owner),
                load=_no_loader,
                decode=_decode,
            ),
        )


class Slot:
    """One entry to be looked up and kept: see `Slots.of`."""

    def __init__(self, engine: "CacheEngine", call: ReadCall) -> None:
        self._engine = engine
        self._call = call
        self._policy = read_policy()
        self._stamp: Stamp = (
            {} if self._policy is ReadPolicy.BYPASS else engine.stamp(call.spec, call.scope)
        )

    def lookup(self) -> CachedResult[Any] | None:
        """What is kept, or `None`. Counts one hit, miss or bypass.

        Under `reading(ReadPolicy.REFRESH)` it is always a miss, under `BYPASS` a bypass.
        """
        return self._engine.lookup(self._call, self._stamp, self._policy)

    def keep(self, value: Any, *, ttl_s: float | None = None) -> CachedResult[Any]:
        """Keep `value` and give it back as a result; under `BYPASS` it is given back only.

        Args:
            value: whatever JSON can hold; a value over the size limit is not stored.
            ttl_s: seconds it may live; the resource's TTL by default.
        """
        return self._engine.keep(
            self._call, self._stamp, encode_body(value), ttl_s, policy=self._policy
        )


def _no_loader() -> Any:
    raise TypeError("a slot has no loader")
