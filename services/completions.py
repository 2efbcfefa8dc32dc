"""The `/v1` call: the same models, budgets and ledger as a conversation's, but nothing is kept.

A provider that speaks OpenAI's format is relayed byte for byte; for the others the same shape is
written here. The usage chunk goes out last, with what the call cost, if the client asked for it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select

from cache.namespaces import MODELS
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.protocol import Chunk, ProviderError
from schemas import openai
from schemas.fields import money_text
from schemas.openai import ChatCall
from services import calls
from services.calls import Bill, ModelCall
from services.errors import NotFound
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from streams.running import RunningStream

__all__ = ["Completion", "Line", "complete", "get_model", "list_models", "start"]

ENDPOINT = "chat.completions"
DONE = b"[DONE]"


class Line(Protocol):
    """What the edge sees of an event: the data of one line of the stream."""

    @property
    def data(self) -> bytes:
        """One line, without `data: `."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished completion: its body in OpenAI's shape and what it cost."""

    stream_id: str
    body: bytes
    cost_usd: str | None


@MODELS.read("list")
def list_models() -> dict[str, Any]:
    """All usable models in OpenAI's shape."""
    with read_session() as session:
        rows = session.scalars(
            select(CatalogueModel)
            .join(CatalogueProvider, CatalogueProvider.id == CatalogueModel.provider_id)
            .where(CatalogueModel.status != "disabled", CatalogueProvider.status == "active")
            .order_by(CatalogueModel.id)
        ).all()
        return {"object": "list", "data": [_model(row) for row in rows]}


def get_model(model_id: str) -> dict[str, Any]:
    """One usable model in OpenAI's shape.

    Raises:
        NotFound: there is none of this id.
    """
    for each in list_models().value["data"]:
        if each["id"] == model_id:
            return dict(each)
    raise NotFound(f"There is no model “{model_id[:80]}”.", code="model_not_found")


def _model(row: CatalogueModel) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.provider_id,
    }


def start(principal: Principal, asked: ChatCall) -> RunningStream:
    """Start a streamed completion; each event's data is one line of OpenAI's stream.

    Raises:
        NotFound: there is no such model.
        BudgetExceeded: a hard limit is reached.
        UpstreamFailed: the provider failed before its first token.
    """
    return _start(_Relay(_plan(principal, asked), asked))


def complete(principal: Principal, asked: ChatCall) -> Completion:
    """Ask for a whole completion and wait for it.

    Raises:
        NotFound, BudgetExceeded, UpstreamFailed: as `start`.
    """
    relay = _Relay(_plan(principal, asked), asked)
    outcome = _start(relay).wait()
    if outcome.error is not None:
        calls.raise_upstream(outcome.error)
    body = outcome.raw or openai.completion_json(
        relay.call.call_id, relay.model, relay.created_s, relay.answer(outcome), relay.usage
    )
    return Completion(relay.call.call_id, body, relay.cost_usd)


def _plan(principal: Principal, asked: ChatCall) -> ModelCall:
    return calls.plan_call(
        principal, asked.model, asked.body, endpoint=ENDPOINT, stream=asked.stream
    )


def _start(relay: "_Relay") -> RunningStream:
    with unit_of_work() as work:
        relay.call.open(work)
    plan = StreamPlan(
        stream_id=relay.call.call_id,
        opening=[],
        pull=relay.call.pull,
        encode=relay.encode,
        finish=relay.finish,
        time_limits=relay.call.time_limits(),
    )
    try:
        streams = runtime().streams
        return streams.start(plan) if relay.is_streamed else streams.run(plan)
    except ProviderError as fault:
        calls.raise_upstream(fault)


class _Relay:
    """One completion on its way; belongs to its producer until the outcome is there."""

    def __init__(self, call: ModelCall, asked: ChatCall) -> None:
        self.call = call
        self.model = call.route.model_id
        self.created_s = int(call.called_at.timestamp())
        self.usage: dict[str, Any] = {}
        self.cost_usd: str | None = None
        self._asked = asked
        self._first = True

    @property
    def is_streamed(self) -> bool:
        """Whether somebody reads it as it comes."""
        return self._asked.stream

    def encode(self, chunk: Chunk) -> list[Draft]:
        """The chunk as it goes out; one that only says the usage is held back until the end."""
        if not self._asked.stream:
            return []
        if chunk.raw is not None:
            if chunk.usage is not None and not _says_something(chunk):
                return []
            return [Draft("chunk", chunk.raw)]
        if not (_says_something(chunk) or self._first):
            return []
        line = openai.chunk_json(
            self.call.call_id, self.model, self.created_s, _delta(chunk, first=self._first)
        )
        self._first = False
        return [Draft("chunk", line)]

    def finish(self, outcome: Outcome) -> list[Draft]:
        """Book the call; the closing lines."""
        with unit_of_work() as work:
            bill = self.call.close(work, outcome)
        self._bill(bill)
        if outcome.error is not None:
            fault = outcome.error
            return [Draft("error", openai.error_json(fault.message, "api_error", None, fault.code))]
        drafts = []
        if self._asked.stream and self._asked.include_usage:
            line = openai.usage_chunk_json(
                self.call.call_id, self.model, self.created_s, self.usage
            )
            drafts.append(Draft("chunk", line))
        return [*drafts, Draft("done", DONE)]

    def answer(self, outcome: Outcome) -> dict[str, Any]:
        """The message of a whole completion and why it ended."""
        message: dict[str, Any] = {"role": "assistant", "content": outcome.text, "refusal": None}
        if outcome.reasoning:
            message["reasoning_content"] = outcome.reasoning
        if outcome.tool_calls:
            message["tool_calls"] = outcome.tool_calls
        return {"message": message, "finish_reason": outcome.finish_reason}

    def _bill(self, bill: Bill) -> None:
        self.cost_usd = None if bill.cost_usd is None else money_text(bill.cost_usd)
        usage = bill.usage
        self.usage = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "audio_tokens": usage.input_audio_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning_tokens,
                "audio_tokens": usage.output_audio_tokens,
            },
            "cost_usd": self.cost_usd,
            "estimated": bill.is_estimated,
        }


def _says_something(chunk: Chunk) -> bool:
    return bool(chunk.text or chunk.reasoning or chunk.tool_calls or chunk.finish_reason)


def _delta(chunk: Chunk, *, first: bool) -> dict[str, Any]:
    """A chunk's part of a choice, in OpenAI's words."""
    delta: dict[str, Any] = {"role": "assistant"} if first else {}
    if chunk.text or first:
        delta["content"] = chunk.text
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.tool_calls:
        delta["tool_calls"] = chunk.tool_calls
    return {"delta": delta, "finish_reason": chunk.finish_reason}
