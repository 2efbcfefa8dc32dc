"""Loading anew what is still served: before its end (XFetch), or shortly after it (RFC 5861)."""

import structlog

from cache.background import Background, Job
from cache.entries import Entry
from cache.freshness import Stamps
from cache.loading import Loader
from cache.reads import ReadCall
from cache.scopes import Scope
from cache.statistics import Statistics

__all__ = ["Refresher"]

log = structlog.get_logger(__name__)


class Refresher:
    """Refreshes entries beside the requests.

    Args:
        background: runs a few refreshes at once.
        loader: loads, in turn with other workers.
        stamps: says what is fresh when a refresh begins.
        statistics: where refreshes are counted.
    """

    def __init__(
        self, *, background: Background, loader: Loader, stamps: Stamps, statistics: Statistics
    ) -> None:
        self._background = background
        self._loader = loader
        self._stamps = stamps
        self._statistics = statistics

    def start(self, call: ReadCall, scopes: tuple[Scope, ...], old: Entry) -> Job[Entry] | None:
        """Have the entry `old` of `call` replaced by a newer one; `None`: too much is under way."""
        return self._background.start(
            (call.key, call.shape), lambda: self._refresh(call, scopes, old)
        )

    def _refresh(self, call: ReadCall, scopes: tuple[Scope, ...], old: Entry) -> Entry:
        result = "failed"
        try:
            stamp = self._stamps.stamp(scopes, call.spec.freshness)
            done = self._loader.load(call, stamp, since_s=old.created_s)
            result = "elsewhere" if done.is_shared else "loaded"
        except Exception as fault:
            log.warning(
                "cache_refresh_failed", resource=call.spec.resource, fault=type(fault).__name__
            )
            raise
        finally:
            self._statistics.count("refreshes", call.spec.namespace, result)
        return done.entry
