"""What calls came to whose booking is under way, or failed: kept until it stands in the ledger.

A database that goes away in that moment costs nothing but time then: when this process ends the
stream later it books what the provider counted, where all others could only estimate it.
"""

from services.costs.ledger import PricedCall

__all__ = ["call_ids", "forget", "recall", "remember"]

MOST = 10_000
"""While the database is away no call begins; this bounds what nobody comes back for."""
_calls: dict[str, PricedCall] = {}


def remember(owed: PricedCall) -> None:
    """Keep what is about to be booked."""
    while len(_calls) >= MOST:
        _calls.pop(next(iter(_calls)), None)
    _calls[owed.call.call_id] = owed


def recall(call_id: str) -> PricedCall | None:
    """What this process knows of a call that was never booked."""
    return _calls.get(call_id)


def call_ids() -> list[str]:
    """The calls whose booking is under way or failed, the oldest first."""
    return list(_calls)


def forget(call_id: str) -> None:
    """It is booked."""
    _calls.pop(call_id, None)
