"""What an answer is made from, noted while it is made; `cache.front` may then send it again.

An answer is a function of its request and of the cached reads it was made from, if nothing else
was asked. What else is asked has to be said here, as an instant that the answer holds until; or it
spoils the recording, and the next request is answered the whole way again.
"""

import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cache.entries import Entry
from cache.freshness import STRICT
from cache.results import CachedResult, Outcome
from telemetry.clock import Clock

if TYPE_CHECKING:
    from cache.reads import ReadCall

__all__ = ["Read", "Recording", "WitnessedClock", "current", "finish", "record", "spoil"]


@dataclass(frozen=True, slots=True)
class Read:
    """One hit that an answer rests on."""

    namespace: str
    resource: str
    key: str
    shape: str
    stamp: Mapping[str, int]
    etag: str


class Recording:
    """What one request was answered from so far.

    `is_audited` has every hit of the request loaded again and compared (`cache.audit`).
    """

    __slots__ = (
        "entity",
        "etag",
        "gates",
        "is_audited",
        "is_spoilt",
        "reads",
        "route",
        "stamp",
        "until_s",
    )

    def __init__(self, *, is_audited: bool = False) -> None:
        self.is_audited = is_audited
        self.reads: list[Read] = []
        self.stamp: dict[str, int] = {}
        self.until_s = float("inf")
        self.etag = ""
        self.route = ""
        self.entity: tuple[tuple[str, str], ...] = ()
        self.is_spoilt = False

    def read(self, call: "ReadCall", entry: Entry, outcome: Outcome) -> None:
        """A cached read was made; only strict hits can be made again without asking the view."""
        spec = call.spec
        if outcome is not Outcome.HIT or spec.freshness is not STRICT:
            self.is_spoilt = True
        if any(self.stamp.get(row, number) != number for row, number in entry.stamp.items()):
            self.is_spoilt = True  # a write came between two of its reads
        self.stamp.update(entry.stamp)
        self.holds_until(entry.early_s)  # from then on it may be a reader's lot to refresh it
        self.reads.append(
            Read(spec.namespace, spec.resource, call.key, call.shape, dict(entry.stamp), entry.etag)
        )

    def holds_until(self, instant_s: float) -> None:
        """The answer is another one from an instant on (seconds since the epoch)."""
        self.until_s = min(self.until_s, instant_s)

    def answered(self, result: CachedResult[Any], *, route: str, media_type: str) -> None:
        """`result` is the answer to a request of `route`."""
        self.etag, self.route = result.etag, route
        self.entity = (("Content-Type", media_type), ("Content-Length", str(len(result.body))))


_current: ContextVar[Recording | None] = ContextVar("cache_recording", default=None)


def current() -> Recording | None:
    """The recording of the request that is being answered, if it is recorded."""
    return _current.get()


def spoil() -> None:
    """Have the request that is being answered, if it is recorded, not be remembered."""
    recording = _current.get()
    if recording is not None:
        recording.is_spoilt = True


def record(recording: Recording) -> Token[Recording | None]:
    """Begin to record into `recording`; `finish` takes the token."""
    return _current.set(recording)


def finish(token: Token[Recording | None]) -> None:
    """End the recording."""
    _current.reset(token)


class WitnessedClock:
    """A clock that spoils the recording of an answer that depends on the time.

    What depends on it in a way that can be said asks `LarderCache.is_over` or `.today` instead.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """The present instant, in UTC."""
        spoil()
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._clock.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set, `seconds` at most; returns whether it is."""
        return self._clock.wait(event, seconds)
