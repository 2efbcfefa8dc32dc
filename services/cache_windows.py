"""What the cache did lately: over a minute, an hour, a day, by namespace and resource.

Each server start keeps a ring of minutes and a ring of hours in the database, so the figures of all
workers and machines add up and outlive every restart. They are written once a minute beside the
requests, in the transaction that publishes the sums; what was counted since then is added from
memory. At most 61 minutes and 25 hours are kept of a start.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from cache.statistics import Figures
from database.tables.platform import CacheWindow
from services.cache_figures import added
from services.runtime import runtime
from services.unit_of_work import UnitOfWork

__all__ = ["WINDOWS", "Window", "forget_windows", "keep_windows", "read_windows"]

MINUTE_S, HOUR_S = 60, 3600
KEPT = ("reads", "fills", "reloads", "ended")
"""The counters that windows have; latencies and failures are told since the last reset."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that ends now: `parts` whole rows of `span_s` seconds and the running one.

    So a window of one minute shows from one to two minutes, and says since when.
    """

    name: str
    span_s: int
    parts: int

    def since(self, now: datetime) -> datetime:
        """When it begins."""
        return _began(now, self.span_s) - timedelta(seconds=self.span_s * self.parts)


WINDOWS = (Window("1m", MINUTE_S, 1), Window("1h", MINUTE_S, 60), Window("24h", HOUR_S, 24))


def keep_windows(work: UnitOfWork, grown: Figures) -> None:
    """Add what this start has counted since it last did this; drop what is too old.

    The caller holds the lock of this start's sums, so that nobody else adds to the same rows.
    """
    now = runtime().clock.now()
    kept = {name: value for name, value in grown.items() if name.partition("|")[0] in KEPT}
    for span_s in (MINUTE_S, HOUR_S):
        key = (runtime().instance, span_s, _began(now, span_s))
        row = work.session.get(CacheWindow, key)
        if row is None:
            row = CacheWindow(instance=key[0], span_s=span_s, began_at=key[2], figures={})
            work.session.add(row)
        row.figures = added([row.figures, kept])
    for span_s, oldest in _oldest(now).items():
        gone = and_(CacheWindow.span_s == span_s, CacheWindow.began_at < oldest)
        work.session.execute(delete(CacheWindow).where(gone))


def forget_windows(work: UnitOfWork) -> None:
    """Begin anew, on all machines."""
    work.session.execute(delete(CacheWindow))


def read_windows(session: Session, running: Figures) -> dict[str, tuple[datetime, Figures]]:
    """Each window's name, with when it begins and what was counted in it.

    Args:
        session: the one that this start's sums were read in.
        running: what this start has counted and not yet kept.
    """
    now = runtime().clock.now()
    wanted = or_(
        *(
            and_(CacheWindow.span_s == span_s, CacheWindow.began_at >= oldest)
            for span_s, oldest in _oldest(now).items()
        )
    )
    rows = session.execute(
        select(CacheWindow.span_s, CacheWindow.began_at, CacheWindow.figures).where(wanted)
    ).all()
    found = {}
    for window in WINDOWS:
        since = window.since(now)
        parts = [
            figures for span_s, began_at, figures in rows
            if span_s == window.span_s and began_at >= since
        ]  # fmt: skip
        found[window.name] = (since, added([*parts, running]))
    return found


def _oldest(now: datetime) -> dict[int, datetime]:
    """By span, the beginning of the longest window of it."""
    found: dict[int, datetime] = {}
    for window in WINDOWS:
        found[window.span_s] = min(found.get(window.span_s, now), window.since(now))
    return found


def _began(now: datetime, span_s: int) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // span_s * span_s, UTC)
