"""The runtime auditor: a share of the hits is loaded again and compared.

A difference while the generations stand still is an inconsistency: a write that did not say what it
changed, or a loader that depends on something that is no scope. It is counted and logged, and the
entry is not served (after Meta's Polaris, "Cache made consistent", 2022).
"""

import random
from collections.abc import Callable

import structlog

from cache.entries import Entry
from cache.generations import Generations
from cache.reads import ReadCall
from cache.results import encode_body
from cache.scopes import Scope
from cache.statistics import Statistics

__all__ = ["Auditor"]

log = structlog.get_logger(__name__)


class Auditor:
    """Compares hits with what the database says.

    Args:
        share: of the hits that are checked, 0 to 1.
        generations: tells whether a write came between.
        statistics: where checks and inconsistencies are counted.
    """

    def __init__(self, share: float, generations: Generations, statistics: Statistics) -> None:
        self.share = share
        self._generations = generations
        self._statistics = statistics
        self.on_inconsistent: Callable[[str], None] = lambda _: None

    @property
    def samples(self) -> bool:
        """Whether this hit is one to check."""
        return self.share > 0 and random.random() < self.share  # noqa: S311 (no secret)

    def agrees(self, call: ReadCall, entry: Entry, scopes: tuple[Scope, ...]) -> bool:
        """Whether loading again gives what the entry holds, or a write explains the difference.

        A loader that fails says nothing about the entry.
        """
        spec = call.spec
        self._statistics.count("audits", spec.namespace, "checked")
        try:
            body = encode_body(call.load())
        except Exception as fault:  # noqa: BLE001 (an audit must not fail a request)
            log.warning("cache_audit_failed", resource=spec.resource, fault=type(fault).__name__)
            return True
        if body == entry.body or self._generations.now(scopes) != entry.stamp:
            return True
        self._statistics.count("audits", spec.namespace, "inconsistent")
        log.error("cache_inconsistent", namespace=spec.namespace, resource=spec.resource)
        self.on_inconsistent(f"{spec.namespace}.{spec.resource}")
        return False
