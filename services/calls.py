"""One call to a model's provider: started in the stream engine, priced, and booked exactly once.

Answers within conversations and `/v1` completions differ in what they keep and in how their events
look; what they owe the ledger is the same and stands here. A call may take several tries, of one
model or, where an alias was asked for, of several: each that was sent has its row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cache.namespaces import STREAMS
from database.tables.conversations import Stream
from providers.attempts import FailedTry
from providers.protocol import ChatRequest, ChunkStream, Usage
from schemas.costs_records import CallStatus
from services.costs import budgets, ledger, unbooked
from services.costs.ledger import PricedCall, ProviderCall
from services.costs.pricing import PriceQuote, price_at
from services.estimates import estimate_answer, estimate_prompt, usage_of_failure
from services.model_routes import FoundRoutes, ModelRoute, body_for
from services.principal import Principal
from services.rate_limits import Reservation, reserve_tokens
from services.runtime import runtime
from services.standing import Standing
from services.stream_rows import begin_stream, end_stream
from services.tries import Progress, attempts
from services.unit_of_work import UnitOfWork, unit_of_work
from streams.limits import TimeLimits
from streams.outcome import Outcome
from telemetry.ids import new_id

__all__ = ["EMBEDDINGS", "Bill", "ModelCall", "plan_call"]

EMBEDDINGS = "embeddings"
"""The end point whose calls are embeddings."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a call came to. A cost of `None` is unpriced."""

    usage: Usage
    cost_usd: Decimal | None
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call about to be made: who asks which model for what. `call_id` is the stream's id too.

    `routes` are the models to be tried in turn; of an alias, `alias_id`, there may be several.
    `quote` is the price of the first.
    """

    call_id: str
    principal: Principal
    routes: Sequence[ModelRoute]
    request: ChatRequest
    endpoint: str
    called_at: datetime
    quote: PriceQuote | None
    alias_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    reservation: Reservation | None = None
    plain: Mapping[str, Any] | None = None
    progress: Progress = field(default_factory=Progress, compare=False)

    @property
    def route(self) -> ModelRoute:
        """The model that answers: from the first chunk on this is settled."""
        return self.routes[self.progress.place]

    @property
    def model_id(self) -> str:
        """The id of the model that answers."""
        return self.route.model_id

    @property
    def standing(self) -> Standing | None:
        """Where its key stands with its tokens, if they are limited."""
        return None if self.reservation is None else self.reservation.standing

    def pull(self) -> ChunkStream:
        """The call's chunks; nothing is asked until the first one is wanted."""
        limits = self.time_limits()
        bounds = [each for each in (limits.first_chunk_s, limits.total_s) if each is not None]
        return attempts(
            self.routes,
            self._request_for,
            patience_s=self._patience_s(),
            within_s=min(bounds),
            watcher=self,
            embeds=self.endpoint == EMBEDDINGS,
        )

    def failed(self, failed: FailedTry, next_place: int | None) -> None:
        """Book a try that failed before its first token, and note which model is tried next.

        The last one is booked when the call is closed.
        """
        self._count_failure(failed, next_place)
        if next_place is None:
            self.progress.usage = failed.usage
            return
        self.progress.spent_s += failed.lasted_s
        self.progress.is_under_way = False
        if not failed.fault.was_sent and next_place == failed.place:
            return
        owed = ledger.priced(self._failed_call(failed)) if failed.fault.was_sent else None
        with unit_of_work() as work:
            self.progress.place = next_place
            stream = work.session.get(Stream, self.call_id, with_for_update=True)
            if stream is not None:  # so that a lost stream is booked as the model's that ran it
                stream.model_id = self.route.model_id
                work.invalidates(STREAMS.of(self.principal.user_id))
            if owed is not None:
                ledger.book(work, owed)

    def open(self, work: UnitOfWork) -> None:
        """Note the running stream, so that any worker knows whose it is.

        Raises:
            RateLimited: its key has as many answers under way as it may.
        """
        begin_stream(work, self, input_estimate=self.input_estimate())

    def closing(self, outcome: Outcome) -> Callable[[UnitOfWork], Bill]:
        """Price the call; what is returned books it and ends its stream, within a transaction."""
        usage, is_estimated = self._counted(outcome)
        owed = self._priced(self._ledger_call(outcome, usage, is_estimated=is_estimated))
        unbooked.remember(owed)

        def close(work: UnitOfWork) -> Bill:
            # The stream before the ledger, as in ending a lost one: else each waits for the other.
            end_stream(work, self.principal, self.call_id)
            record = ledger.book(work, owed)
            booked = ledger.usage_in(record)
            work.after_commit(lambda: unbooked.forget(self.call_id))
            work.after_commit(lambda: self._settle(booked.input_tokens + booked.output_tokens))
            return Bill(booked, record["cost_usd"], record["is_estimated"])

        return close

    def time_limits(self) -> TimeLimits:
        """How long the call may take, by the settings; each model has its own first token."""
        settings = runtime().settings
        total_s = settings.provider_total_timeout_s
        return TimeLimits(
            first_chunk_s=min(self._patience_s() * len(self.routes), total_s),
            between_chunks_s=settings.provider_between_tokens_timeout_s,
            total_s=total_s,
        )

    def _patience_s(self) -> float:
        """How long one model may say nothing: one that is not to stream, until it has it all."""
        settings = runtime().settings
        if self.request.stream:
            return settings.provider_first_token_timeout_s
        return settings.provider_total_timeout_s

    def input_estimate(self) -> int:
        """The prompt's tokens by its size, for calls whose provider never says."""
        return estimate_prompt(self.request.body)

    def _request_for(self, route: ModelRoute) -> ChatRequest:
        """What is asked of one model, with what the catalogue says of it."""
        return replace(
            self.request,
            body=body_for(route, self.request.body, self.plain),
            model=route.name,
            max_output_tokens=route.max_output_tokens,
            capabilities=route.capabilities,
        )

    def _settle(self, used: int) -> None:
        if self.reservation is not None:
            self.reservation.settle(used)

    def _was_sent(self, outcome: Outcome) -> bool:
        """Whether anybody was asked: not before the first try, nor between two."""
        was_heard_of = outcome.usage is not None or not _nothing_came(outcome)
        return was_heard_of or self.progress.is_under_way

    def _counted(self, outcome: Outcome) -> tuple[Usage, bool]:
        """The tokens of the call, and whether they had to be estimated."""
        if outcome.usage is not None:
            return outcome.usage, False
        if not self._was_sent(outcome):
            return Usage(0, 0), False
        if _nothing_came(outcome) and outcome.error is not None:
            return usage_of_failure(outcome.error, self.progress.usage, self.input_estimate())
        # What was held back until a token came, such as the count of the prompt, is in no outcome.
        counted = outcome.prompt_usage or self.progress.usage
        return estimate_answer(replace(outcome, prompt_usage=counted), self.input_estimate()), True

    def _priced(self, call: ProviderCall) -> PricedCall:
        """The call with its price, which most often was looked up when it was planned."""
        is_first = self.progress.place == 0
        return PricedCall(call, self.quote) if is_first else ledger.priced(call)

    def _count_failure(self, failed: FailedTry, next_place: int | None) -> None:
        step = "retry" if next_place == failed.place else "fallback"
        runtime().providers.metrics.count_failure(
            self.routes[failed.place].provider_id,
            failed.fault.code,
            "none" if next_place is None else step,
        )

    def _ledger_call(self, outcome: Outcome, usage: Usage, *, is_estimated: bool) -> ProviderCall:
        first_s, spent_s = outcome.first_token_s, self.progress.spent_s
        return self._of_route(
            self.route,
            call_id=self.call_id,
            status=_status(outcome),
            error_code=outcome.error.code if outcome.error else None,
            usage=usage,
            is_estimated=is_estimated,
            was_sent=self._was_sent(outcome),
            first_token_ms=None if first_s is None else round((first_s - spent_s) * 1000),
            duration_ms=round((outcome.duration_s - spent_s) * 1000),
            called_at=self.called_at,
        )

    def _failed_call(self, failed: FailedTry) -> ProviderCall:
        usage, is_estimated = usage_of_failure(failed.fault, failed.usage, self.input_estimate())
        return self._of_route(
            self.routes[failed.place],
            call_id=new_id(),
            attempt_of=self.call_id,
            status="error",
            error_code=failed.fault.code,
            usage=usage,
            is_estimated=is_estimated,
            duration_ms=round(failed.lasted_s * 1000),
            called_at=runtime().clock.now() - timedelta(seconds=failed.lasted_s),
        )

    def _of_route(self, route: ModelRoute, **how: Any) -> ProviderCall:
        """What one try of this call was, by `how` it went."""
        return ProviderCall(
            user_id=self.principal.user_id,
            key_id=self.principal.key_id,
            workspace_id=self.principal.workspace_id,
            provider_id=route.provider_id,
            model_id=route.model_id,
            alias_id=self.alias_id,
            endpoint=self.endpoint,
            conversation_id=self.conversation_id,
            message_id=self.message_id,
            is_streamed=self.request.stream,
            **how,
        )


def plan_call(
    principal: Principal,
    found: FoundRoutes,
    body: Mapping[str, Any],
    *,
    endpoint: str,
    stream: bool,
    plain: Mapping[str, Any] | None = None,
) -> ModelCall:
    """Make a call ready, reading only through the cache.

    Args:
        principal: who asks.
        found: the models that may answer.
        body: the request, in OpenAI's format.
        endpoint: what the ledger calls the way it came.
        stream: whether the answer comes in pieces.
        plain: the request for providers of another format than Anthropic's, where it differs.

    Raises:
        BudgetExceeded: a hard limit is reached.
        RateLimited: the key has had the tokens of its minute.
    """
    first = found.routes[0]
    budgets.check_budget(principal)
    called_at = runtime().clock.now()
    call = ModelCall(
        call_id=new_id(),
        principal=principal,
        routes=found.routes,
        request=ChatRequest(model=first.name, body=body, stream=stream),
        endpoint=endpoint,
        called_at=called_at,
        quote=price_at(first.model_id, called_at),
        alias_id=found.alias_id,
        plain=plain,
    )
    if principal.tokens_per_minute is None:  # an estimate goes through all of the prompt
        return call
    return replace(call, reservation=reserve_tokens(principal, call.input_estimate(), body))


def _nothing_came(outcome: Outcome) -> bool:
    return outcome.first_token_s is None


def _status(outcome: Outcome) -> CallStatus:
    if outcome.error is not None:
        return "error" if _nothing_came(outcome) else "broken"
    return "cancelled" if outcome.finish_reason == "cancelled" else "ok"
