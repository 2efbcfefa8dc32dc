"""How to answer a request again: what it depends on, and the headers to send with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cache.recording import Read, Recording

__all__ = ["Headers", "Plan", "plan_of"]

Headers = tuple[tuple[str, str], ...]

EACH_TIME = frozenset({"x-request-id", "cache-status", "date"})
BASE_BYTES = 800
ROW_BYTES = 150


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer that may be sent again while nothing that it depends on has changed.

    Attributes:
        body: the cached read that gave its body.
        others: the other ones that it was made from, such as of the key.
        stamp: the generations that all of them rest on.
        until_s: the instant from which it is another one, in seconds since the epoch.
        route: what requests of its kind are counted under.
        entity: the headers that go with a body, so not with a 304.
        headers: the remaining ones, without those that are made for each answer.
        is_dated: whether the server behind expects a `Date` from here.
    """

    body: Read
    others: tuple[Read, ...]
    stamp: Mapping[str, int]
    rows: tuple[str, ...]
    until_s: float
    route: str
    entity: Headers
    headers: Headers
    is_dated: bool

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, roughly; the bodies are not kept."""
        texts = (*self.entity, *self.headers)
        size = BASE_BYTES + ROW_BYTES * len(self.rows) + sum(len(a) + len(b) for a, b in texts)
        return size + sum(
            len(read.key) + ROW_BYTES * (2 + len(read.stamp)) for read in (self.body, *self.others)
        )


def plan_of(recording: Recording, headers: Iterable[tuple[str, str]]) -> Plan | None:
    """The plan of a recorded answer, if one can be made.

    Args:
        recording: what the answer was made from.
        headers: those that it was sent with.
    """
    bodies = [read for read in recording.reads if read.etag == recording.etag]
    if recording.is_spoilt or not bodies:
        return None
    entity = {name.lower() for name, _ in recording.entity}
    sent = [(name, value, name.lower()) for name, value in headers]
    return Plan(
        body=bodies[-1],
        others=tuple(read for read in recording.reads if read is not bodies[-1]),
        stamp=recording.stamp,
        rows=tuple(recording.stamp),
        until_s=recording.until_s,
        route=recording.route,
        entity=recording.entity,
        headers=tuple(
            (name, value)
            for name, value, known in sent
            if known not in entity and known not in EACH_TIME
        ),
        is_dated=any(known == "date" for _, _, known in sent),
    )
