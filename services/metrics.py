"""Figures for Prometheus."""

from cache.extension import cache
from services.runtime import runtime
from telemetry.metrics import MEDIA_TYPE, exposition

__all__ = ["MEDIA_TYPE", "count_request", "expose", "is_public"]


def expose() -> bytes:
    """All figures, over all workers of this machine, in Prometheus' text format."""
    parts = runtime()
    return exposition(
        (
            parts.requests.registry,
            cache.engine.statistics.registry,
            parts.streams.counters.registry,
            parts.providers.metrics.registry,
        )
    )


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request by its route."""
    runtime().requests.observe(method, route, status, seconds)


def is_public() -> bool:
    """Whether figures are shown to callers without a key."""
    return runtime().settings.metrics_public
