"""What crosses workers, as the engine sees it: logs, signs of life and requests to stop.

Whatever keeps them may fail at any time; each call then raises `OutOfReach` and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.events import Event

__all__ = ["Fetched", "OutOfReach", "SharedLogs", "WriteReply", "Writing", "Written"]


class OutOfReach(Exception):
    """The shared logs did not answer, or not sensibly."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What to do for one stream in a round of writes.

    Attributes:
        stream_id: whose log.
        events: to append, the terminal one last if it is there; consecutive.
        afresh: forget what the log holds first.
        refresh: give a sign of life, and look how the log stands.
        closes: the stream is over after these events: let its log expire, end the signs of life.
    """

    stream_id: str
    events: Sequence[Event]
    afresh: bool = False
    refresh: bool = False
    closes: bool = False


@dataclass(frozen=True, slots=True)
class WriteReply:
    """What came of a `Writing`: `entries` and `lost` only when it asked to look."""

    ok: bool
    entries: int | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a round of writes, in its order, and the streams others want stopped."""

    replies: Sequence[WriteReply]
    stops: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a stream stands.

    Attributes:
        events: those after the position asked for.
        more: whether another fetch would bring more at once.
        owner: the worker that gives signs of life, if one does.
        lost: whether somebody declared the producer dead.
        ends: the ids under which readers were told so.
        damaged: the log holds what nobody of ours wrote.
    """

    events: Sequence[Event] = ()
    more: bool = False
    owner: str | None = None
    lost: bool = False
    ends: set[int] = field(default_factory=set)
    damaged: bool = False


class SharedLogs(Protocol):
    """Logs that every worker can reach."""

    def write(self, worker_id: str, writings: Sequence[Writing]) -> Written:
        """Do a round of writes, and take the requests to stop addressed to `worker_id`."""
        ...

    def fetch(self, positions: Sequence[tuple[str, int]]) -> Sequence[Fetched]:
        """How these streams stand, with their events after the ids given."""
        ...

    def request_stop(self, stream_id: str) -> None:
        """Ask the stream's worker to stop it, if one gives signs of life."""
        ...

    def declare_lost(self, stream_id: str) -> None:
        """The producer counts as dead from now on, to itself too."""
        ...

    def mark_end(self, stream_id: str, event_id: int) -> None:
        """A reader was told of the loss under this id."""
        ...
