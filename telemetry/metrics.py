"""What is counted for Prometheus beside the cache's own figures, and how all of it is shown."""

from collections.abc import Iterable

from telemetry.counting import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    shared_folder,
    shared_registry,
)

__all__ = ["MEDIA_TYPE", "ProviderMetrics", "RequestMetrics", "exposition"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
MAX_KINDS = 2000
"""Methods are the callers' to make up; what is past this is looked up each time."""
BUCKETS_S = (0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class RequestMetrics:
    """Counts and times requests by route, never by path: paths are without number."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "larder_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "larder_http_request_seconds",
            "Time until a response was ready; of a stream, until it began.",
            ["route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )

        self._saved_usd = Counter(
            "larder_response_cache_saved_usd",
            "US dollars that answers from the response cache would have cost, about.",
            registry=self.registry,
        )

    def count_saving(self, saved_usd: float) -> None:
        """Count what an answer from the response cache saved; the ledger has it exactly."""
        self._saved_usd.inc(saved_usd)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        kind = (method, route, status)
        children = self._children.get(kind)
        if children is None:  # looking them up costs more than counting
            known = method if method in METHODS else "other"
            children = (
                self._requests.labels(known, route, str(status)),
                self._seconds.labels(route),
            )
            if len(self._children) < MAX_KINDS:
                self._children[kind] = children
        children[0].inc()
        children[1].observe(seconds)


class ProviderMetrics:
    """Counts what goes wrong with providers, by their ids, which the operator gives."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._failures = Counter(
            "larder_provider_failed_tries",
            "Tries that failed before their first token, and what was done then.",
            ["provider", "code", "next"],
            registry=self.registry,
        )
        self._openings = Counter(
            "larder_provider_circuit_openings",
            "How often a worker's circuit of the provider opened.",
            ["provider"],
            registry=self.registry,
        )
        self._open = Gauge(
            "larder_provider_circuits_open",
            "Workers whose circuit of the provider is open.",
            ["provider"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def count_failure(self, provider: str, code: str, next_step: str) -> None:
        """Count a failed try; `next_step` is `retry`, `fallback` or `none`."""
        self._failures.labels(provider, code, next_step).inc()

    def note_circuit(self, provider: str, is_open: bool) -> None:
        """Note that this process's circuit of a provider has opened or closed."""
        self._open.labels(provider).set(int(is_open))
        if is_open:
            self._openings.labels(provider).inc()


def exposition(registries: Iterable[CollectorRegistry]) -> bytes:
    """Everything counted, in Prometheus' text format, over all workers of this machine.

    Args:
        registries: this process's own, for when it counts for itself.
    """
    folder = shared_folder()
    if folder is not None:
        registries = [shared_registry(folder)]
    return b"".join(generate_latest(each) for each in registries)
