"""How long and how large things may get. Times are seconds, sizes bytes."""

from dataclasses import dataclass

__all__ = ["StreamLimits", "TimeLimits"]

SHORTEST_LIFE_S = 0.6


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a provider may keep one stream waiting; `None` sets no limit.

    The engine holds these from outside, so that an adapter that hangs cannot outlast them.
    """

    first_chunk_s: float | None = None
    between_chunks_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The engine's own limits.

    Attributes:
        heartbeat_s: the longest silence of a reader; the death of a worker is noticed within it.
        log_ttl_s: how long a log is kept after the stream's end.
        stream_bytes: what one stream may hold, in its log or as text, before it is ended.
        finished_bytes: what the logs of all ended streams may hold in one worker; oldest go first.
        stop_poll_s: how often `stops_requested` is asked while streams run.
        takeover_s: how long an interrupted producer has to react before its stream ends without it.
        mirror_interval_s: how often events are sent to Redis.
        follow_interval_s: how often another worker's events are fetched from Redis.
        settle_s: how long a shutdown waits for the streams it had to cut short to be booked.
    """

    heartbeat_s: float = 15.0
    log_ttl_s: float = 300.0
    stream_bytes: int = 16 * 2**20
    finished_bytes: int = 64 * 2**20
    stop_poll_s: float = 0.2
    takeover_s: float = 0.1
    mirror_interval_s: float = 0.1
    follow_interval_s: float = 0.05
    settle_s: float = 10.0

    @property
    def silence_s(self) -> float:
        """How often who pulls a stream has to hear that nothing comes, to tell it in time."""
        return self.heartbeat_s / 4

    @property
    def alive_ttl_s(self) -> float:
        """How long a sign of life lasts."""
        return max(SHORTEST_LIFE_S, self.heartbeat_s / 2)

    @property
    def alive_refresh_s(self) -> float:
        """How often the producing worker gives one."""
        return self.alive_ttl_s / 4

    @property
    def confirm_lost_s(self) -> float:
        """How long the sign must be missing, Redis answering all the while, to count as death.

        Longer than a refresh: after an outage of Redis all signs are gone, and every producer
        needs its chance to renew its own.
        """
        return self.alive_ttl_s / 2

    @property
    def out_of_reach_s(self) -> float:
        """How long readers of another worker's stream wait for Redis before they are let go."""
        return self.alive_ttl_s
