"""The same request, made several times at once: one call is made, and the others share it."""

from services.response_cache import KeptAnswer, ResponseSlot
from services.runtime import runtime
from streams.errors import StreamGone
from streams.reading import Reader

__all__ = ["claim_or_share"]

MOST_TRIES = 40
PATIENCE_S = 10.0
"""How often, and how long, a call that was claimed is looked for before this one is made in its
place. Each look is short: a claim whose call is refused is given up within milliseconds."""


def claim_or_share(slot: ResponseSlot, form: str, call_id: str) -> KeptAnswer | Reader | None:
    """Claim a request, or find whoever makes it already.

    Args:
        slot: the place of its answer.
        form: in what form the answer is wanted; calls of another form cannot be followed.
        call_id: the call that is made if nobody makes it yet.

    Returns:
        The answer, if it was kept just now; a reader of the call that makes it; or `None`: the
        caller makes it, and releases the claim when it is over or does not come to be.
    """
    other_id: str | None = None
    clock = runtime().clock
    ends_s = clock.monotonic() + PATIENCE_S
    for _ in range(MOST_TRIES):
        other_id = slot.claim(form, call_id)
        if other_id is None:
            return _kept_meanwhile(slot, form, call_id)
        slot.wait(form)
        try:
            reader = runtime().streams.join(other_id)
        except StreamGone:  # not begun yet, or over: whoever claims it now is told
            if clock.monotonic() >= ends_s:
                break
            continue
        if not reader.has_failed:
            return reader
        slot.release(form, other_id)  # a worker that died could not
    if other_id is not None:  # it died before its call began: who asks next need not look for it
        slot.release(form, other_id)
        slot.claim(form, call_id)
    return None


def _kept_meanwhile(slot: ResponseSlot, form: str, call_id: str) -> KeptAnswer | None:
    """What the last holder of the claim has kept."""
    try:
        kept = slot.find()
    except BaseException:
        slot.release(form, call_id)
        raise
    if kept is not None:
        slot.release(form, call_id)
    return kept
