"""The `/v1` call: the same models, budgets and ledger as a conversation's, but nothing is kept.

How an answer looks is its dialect's business; here it is planned, started, booked and handed on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from sqlalchemy import select

from cache.namespaces import MODELS
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider, ModelAlias
from providers.protocol import Chunk, ProviderError
from schemas.fields import money_text
from schemas.openai import ChatCall
from services import calls, model_routes
from services.calls import Bill, ModelCall
from services.costs.ledger import estimate_tokens
from services.dialects.anthropic import AnthropicDialect
from services.dialects.openai import OpenAIDialect
from services.dialects.protocol import Dialect, Head
from services.errors import NotFound
from services.principal import Principal
from services.runtime import runtime
from services.standing import Standing
from services.unit_of_work import unit_of_work
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from streams.running import RunningStream

__all__ = [
    "CHAT",
    "MESSAGES",
    "Line",
    "Reply",
    "Style",
    "answer",
    "estimate_input",
    "get_model",
    "list_models",
]


class Line(Protocol):
    """What the edge sees of an event: its name, and the data of one line of the stream."""

    @property
    def name(self) -> str:
        """What it is."""
        ...

    @property
    def data(self) -> bytes:
        """One line, without `data: `."""
        ...


@dataclass(frozen=True, slots=True)
class Style:
    """A client's format: what the ledger calls its end point, and how an answer is written."""

    endpoint: str
    speak: Callable[[Head], Dialect]


CHAT = Style("chat.completions", OpenAIDialect)
MESSAGES = Style("messages.anthropic", AnthropicDialect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer on its way out.

    Attributes:
        body: the whole of it, where it is not streamed.
        batches: its events, those that are ready together at once; an empty batch is a sign of
            life.
        model: the one that answers.
        stream_id: names it to whoever wants to read on or stop it.
        cache: how the response cache was met: `hit`, `miss`, `coalesced` or `bypass`.
        cost_usd: what it cost, once that is known.
        standing: where the key stands with its tokens.
    """

    body: bytes | None = None
    batches: Callable[[], Iterator[Sequence[Line]]] = lambda: iter(())
    model: str | None = None
    stream_id: str | None = None
    cache: str = "bypass"
    cost_usd: str | None = None
    standing: Standing | None = None


@MODELS.read("list", shape=2)
def list_models() -> dict[str, Any]:
    """All usable models and aliases in OpenAI's shape."""
    with read_session() as session:
        rows = session.scalars(
            select(CatalogueModel)
            .join(CatalogueProvider, CatalogueProvider.id == CatalogueModel.provider_id)
            .where(CatalogueModel.status != "disabled", CatalogueProvider.status == "active")
            .order_by(CatalogueModel.id)
        ).all()
        named = session.scalars(
            select(ModelAlias).where(ModelAlias.status != "disabled").order_by(ModelAlias.id)
        ).all()
        return {"object": "list", "data": [*map(_model, named), *map(_model, rows)]}


def get_model(model_id: str) -> dict[str, Any]:
    """One usable model in OpenAI's shape.

    Raises:
        NotFound: there is none of this id.
    """
    for each in list_models().value["data"]:
        if each["id"] == model_id:
            return dict(each)
    raise NotFound(f"There is no model “{model_id[:80]}”.", code="model_not_found")


def _model(row: CatalogueModel | ModelAlias) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.provider_id or "larder",
    }


def estimate_input(asked: ChatCall) -> int:
    """About how many tokens a request has, tools included.

    Raises:
        NotFound: there is no such model.
    """
    body = asked.plain or asked.body
    model_routes.routes_for(asked.model, body)
    tools = msgspec.json.encode(body.get("tools") or []).decode()
    return calls.estimate_prompt(body) + (estimate_tokens(tools) if body.get("tools") else 0)


def answer(principal: Principal, asked: ChatCall, style: Style) -> Reply:
    """Have a model answer: streamed once its first chunk is there, or when it is whole.

    Raises:
        NotFound: there is no such model.
        BudgetExceeded: a hard limit is reached.
        RateLimited: the key has had what it may.
        UpstreamFailed: the provider failed before its first token, or, where the answer is not
            streamed, at all.
    """
    call = calls.plan_call(
        principal,
        asked.model,
        asked.body,
        endpoint=style.endpoint,
        stream=asked.stream,
        plain=asked.plain,
    )
    relay = _Relay(call, asked, style)
    stream = relay.start()
    standing = call.reservation.standing if call.reservation else None
    if asked.stream:
        return Reply(
            batches=lambda: stream.events().batches(),
            model=call.route.model_id,
            stream_id=call.call_id,
            standing=standing,
        )
    outcome = stream.wait()
    if outcome.error is not None:
        calls.raise_upstream(outcome.error)
    return Reply(
        body=relay.body(outcome),
        model=call.route.model_id,
        stream_id=call.call_id,
        cost_usd=relay.cost_usd,
        standing=standing,
    )


class _Relay:
    """One completion on its way; belongs to its producer until the outcome is there."""

    def __init__(self, call: ModelCall, asked: ChatCall, style: Style) -> None:
        self.call = call
        self._asked = asked
        self._dialect = style.speak(
            Head(
                call.call_id,
                int(call.called_at.timestamp()),
                lambda: call.route.model_id,
                include_usage=asked.include_usage,
            )
        )
        self._bill: Bill | None = None

    @property
    def cost_usd(self) -> str | None:
        """What the call cost, once it is booked and if it has a price."""
        cost = self._bill.cost_usd if self._bill else None
        return None if cost is None else money_text(cost)

    def start(self) -> RunningStream:
        """Have it produced; returns when its first chunk is there.

        Raises:
            UpstreamFailed: the provider failed before that.
        """
        with unit_of_work() as work:
            self.call.open(work)
        plan = StreamPlan(
            stream_id=self.call.call_id,
            opening=list,
            pull=self.call.pull,
            encode=self._encode,
            finish=self._finish,
            time_limits=self.call.time_limits(),
        )
        try:
            streams = runtime().streams
            return streams.start(plan) if self._asked.stream else streams.run(plan)
        except ProviderError as fault:
            calls.raise_upstream(fault)

    def body(self, outcome: Outcome) -> bytes:
        """The whole answer."""
        assert self._bill is not None  # noqa: S101 (the outcome is there once it is booked)
        return self._dialect.whole(outcome, self._bill, ())

    def _encode(self, chunk: Chunk) -> list[Draft]:
        return self._dialect.chunk(chunk) if self._asked.stream else []

    def _finish(self, outcome: Outcome) -> list[Draft]:
        """Book the call; the closing lines."""
        with unit_of_work() as work:
            self._bill = self.call.close(work, outcome)
        if outcome.error is not None:
            return [self._dialect.failure(outcome.error)]
        return self._dialect.closing(outcome, self._bill)
