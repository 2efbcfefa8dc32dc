"""How an answer within a conversation comes to be: by a call, or as a copy of another's answer."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from schemas.response_cache import CacheControls
from services import calls, model_routes, response_cache
from services.answer_copies import AnswerCopy, copy_of_kept, copy_of_running
from services.calls import ModelCall
from services.model_routes import FoundRoutes
from services.principal import Principal
from services.rate_limits import given_back
from services.response_cache import KeptAnswer, ResponseSlot
from services.response_recording import Recording
from services.response_sharing import claim_or_share
from telemetry.ids import new_id

__all__ = ["ENDPOINT", "AnswerPlan", "plan_answer"]

ENDPOINT = "messages"


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """An answer about to be given; `cache` says how the response cache was met."""

    call: ModelCall | AnswerCopy
    cache: str = "bypass"
    slot: ResponseSlot | None = None
    recording: Recording | None = None

    @contextmanager
    def revocable(self) -> Generator[None, None, None]:
        """Until the answer is stored: one that does not come to be leaves nothing taken."""
        reservation = self.call.reservation if isinstance(self.call, ModelCall) else None
        with self.claimed(), given_back(reservation):
            yield

    @contextmanager
    def claimed(self) -> Generator[None, None, None]:
        """Until the answer has begun: whoever waits for it is let go if it does not."""
        try:
            yield
        except BaseException:
            if self.slot is not None:
                self.slot.release(ENDPOINT, self.call.call_id)
            raise


def plan_answer(
    principal: Principal, model_id: str, body: Mapping[str, Any], controls: CacheControls | None
) -> AnswerPlan:
    """Make an answer ready, reading only through the cache.

    Args:
        principal: who asks.
        model_id: which model.
        body: the request, in OpenAI's format.
        controls: what the request says of the response cache.

    Raises:
        NotFound, Unavailable, Invalid: as `model_routes.routes_for`.
        BudgetExceeded, RateLimited: as `calls.plan_call`; what is answered from the response cache
            needs no budget.
    """
    ways = model_routes.routes_for(model_id, body)
    slot = response_cache.slot_for(principal, body, controls, ways)
    if slot is None:
        return AnswerPlan(_call(principal, ways, body))
    kept = slot.find()
    if kept is not None:
        return _copied(copy_of_kept(principal, kept, ENDPOINT), ways, "hit")
    call_id = new_id()
    found = claim_or_share(slot, ENDPOINT, call_id)
    if isinstance(found, KeptAnswer):
        return _copied(copy_of_kept(principal, found, ENDPOINT), ways, "coalesced")
    if found is not None:
        copy = copy_of_running(principal, found, ENDPOINT)
        if copy is not None:
            return _copied(copy, ways, "coalesced")
    try:
        call = _call(principal, ways, body)
    except BaseException:
        slot.release(ENDPOINT, call_id)
        raise
    return AnswerPlan(replace(call, call_id=call_id), "miss", slot, Recording(slot, ENDPOINT))


def _copied(copy: AnswerCopy, ways: FoundRoutes, how: str) -> AnswerPlan:
    return AnswerPlan(replace(copy, alias_id=ways.alias_id), how)


def _call(principal: Principal, ways: FoundRoutes, body: Mapping[str, Any]) -> ModelCall:
    return calls.plan_call(principal, ways, body, endpoint=ENDPOINT, stream=True)
