"""The runtime auditor: a share of the hits is loaded again and compared.

A difference while the generations stand still is an inconsistency: a write that did not say what it
changed, or a loader that depends on something that is no scope. It is counted and logged, and the
entry is not served (after Meta's Polaris, "Cache made consistent", 2022).
"""

import random
from collections.abc import Callable

import msgspec
import structlog

from cache import recording
from cache.entries import Entry
from cache.generations import Generations
from cache.reads import ReadCall
from cache.results import encode_body
from cache.scopes import Scope
from cache.statistics import Statistics

__all__ = ["Auditor"]

log = structlog.get_logger(__name__)
LOGGED_CHARS = 60  # enough of a scope to find whose it is, not enough of a key's hash to be one


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
        """Whether a request's hits, or this one, are to be checked."""
        noting = recording.current()
        if noting is not None and noting.is_audited:
            return True
        return self.share > 0 and random.random() < self.share  # noqa: S311 (no secret)

    def fault(self, call: ReadCall, entry: Entry) -> str:
        """Why a hit is not to be served after all: `schema`, `inconsistent`, or empty.

        A value that an admin has set by hand differs on purpose; of it only the form is checked.
        What does not follow from the database cannot be compared with it.
        """
        if entry.is_manual:
            return "" if _decodes(call, entry) else "schema"
        if not self.samples or not call.spec.freshness.is_derived:
            return ""
        return "" if self._agrees(call, entry) else "inconsistent"

    def _agrees(self, call: ReadCall, entry: Entry) -> bool:
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
        if body == entry.body:
            return True
        if self._generations.now([Scope(row) for row in entry.stamp]) != entry.stamp:
            return True
        self._statistics.count("audits", spec.namespace, "inconsistent")
        log.error(
            "cache_inconsistent",
            namespace=spec.namespace,
            resource=spec.resource,
            scope=call.scope.name[:LOGGED_CHARS],
        )
        self.on_inconsistent(f"{spec.namespace}.{spec.resource}")
        return False


def _decodes(call: ReadCall, entry: Entry) -> bool:
    if not entry.kept:
        try:
            entry.kept.append(call.decode(entry.body))
        except (msgspec.MsgspecError, RecursionError):
            return False
    return True
