"""What the engine is handed: how to produce one answer, and whom to tell."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from providers.protocol import Chunk, ChunkStream
from streams.events import Draft
from streams.limits import TimeLimits
from streams.outcome import Outcome

__all__ = ["StreamHooks", "StreamPlan"]


@dataclass(frozen=True)
class StreamPlan:
    """How one answer is produced.

    Attributes:
        stream_id: names the stream everywhere; never used twice.
        opening: gives what is logged before the first chunk, once that has come.
        pull: opens the provider's call; may raise `ProviderError`.
        encode: a chunk's events, possibly none.
        finish: books the answer and returns the closing events, the last of which is terminal.
            Called exactly once, whatever happens, in the engine's context. If it raises, or returns
            nothing, the engine closes the stream with `internal_error`.
        time_limits: how long the provider may take.
        is_kept: whether its log is worth reading after its end, by whoever missed some of it, or
            was led to it by a claim.
        is_pulled_by_readers: whether its chunks may be pulled by whoever reads it; not where
            closing them does not end the wait for the next one.
    """

    stream_id: str
    opening: Callable[[], Sequence[Draft]]
    pull: Callable[[], ChunkStream]
    encode: Callable[[Chunk], Sequence[Draft]]
    finish: Callable[[Outcome], Sequence[Draft]]
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    is_kept: bool = True
    is_pulled_by_readers: bool = True


@dataclass(frozen=True)
class StreamHooks:
    """What the engine asks and tells the service. All are called in the engine's context.

    Attributes:
        on_lost: another worker's stream was found dead; called before its readers hear of it,
            possibly by several workers, so it must not matter how often.
        lives: whether another worker's stream that gives no sign of life is known to be produced
            all the same; asked before it counts as lost, and again if it does not come back.
        stops_requested: which of these streams of this worker are to be stopped, for stops that
            did not come through Redis. `None` asks nobody.
    """

    on_lost: Callable[[str], object] | None = None
    lives: Callable[[str], bool] | None = None
    stops_requested: Callable[[Sequence[str]], Collection[str]] | None = None
