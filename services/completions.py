"""The `/v1` call: the same models, budgets and ledger as a conversation's, but nothing is kept.

How an answer looks is its dialect's business; here it is planned, asked for, shared or taken from
the response cache, and handed on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from typing import Protocol

import msgspec

from schemas.openai import ChatCall
from services import calls, estimates, model_routes, response_cache, upstream_failures
from services.calls import Bill
from services.costs import ledger
from services.costs.ledger import SavedCall
from services.dialects.protocol import Head
from services.followed_streams import followed
from services.model_routes import FoundRoutes
from services.principal import Principal
from services.relays import EMBEDDINGS, Relay, Style, Turn
from services.response_cache import KeptAnswer, ResponseSlot
from services.response_sharing import claim_or_share
from services.runtime import runtime
from services.standing import Standing
from services.stream_rows import owner_and_model
from streams.errors import StreamGone
from streams.events import Draft, Event
from streams.reading import Reader
from telemetry.ids import new_id

__all__ = ["Line", "Reply", "answer", "estimate_input"]

NOTHING = "0"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer on its way out.

    Attributes:
        body: the whole of it, where it is not streamed.
        batches: its events, those that are ready together at once; an empty batch is a sign of
            life.
        model: the one that answers.
        stream_id: names it to whoever wants to read on or stop it, and may.
        cache: how the response cache was met: `hit`, `miss`, `coalesced` or `bypass`.
        cost_usd: what it cost, once that is known.
        standing: where the key stands with its tokens.
        is_ready: all batches are there.
    """

    body: bytes | None = None
    batches: Callable[[], Iterator[Sequence[Line]]] = lambda: iter(())
    model: str | None = None
    stream_id: str | None = None
    cache: str = "bypass"
    cost_usd: str | None = None
    standing: Standing | None = None
    is_ready: bool = False


def estimate_input(asked: ChatCall) -> int:
    """About how many tokens a request has, tools included.

    Raises:
        NotFound: there is no such model.
    """
    body = asked.plain or asked.body
    model_routes.routes_for(asked.model, body, asked.untranslatable)
    tools = body.get("tools")
    written = msgspec.json.encode(tools).decode() if tools else ""
    return estimates.estimate_prompt(body) + estimates.estimate_tokens(written)


def answer(principal: Principal, asked: ChatCall, style: Style) -> Reply:
    """Have a model answer: streamed once its first chunk is there, or when it is whole.

    Raises:
        NotFound: there is no such model.
        BudgetExceeded: a hard limit is reached.
        RateLimited: the key has had what it may.
        UpstreamFailed: the provider failed before its first token, or, where the answer is not
            streamed, at all.
    """
    ways = model_routes.routes_for(asked.model, asked.body, asked.untranslatable)
    slots = response_cache.VECTORS if style is EMBEDDINGS else response_cache.CHAT
    slot = response_cache.slot_for(
        principal, asked.body, asked.cache, ways, plain=asked.plain, slots=slots
    )
    turn = Turn(principal, asked, style, slot)
    if slot is None:
        return _asked(turn, ways, new_id())
    kept = slot.find()
    if kept is not None:
        return _replayed(turn, slot, kept, "hit")
    return _asked_once(turn, ways, slot)


def _asked(turn: Turn, ways: FoundRoutes, call_id: str) -> Reply:
    """Ask a provider."""
    asked = turn.asked
    call = calls.plan_call(
        turn.principal,
        ways,
        asked.body,
        endpoint=turn.style.endpoint,
        stream=asked.stream,
        plain=asked.plain,
    )
    call = replace(call, call_id=call_id)
    relay = Relay(call, turn)
    stream = relay.start()
    reply = Reply(
        stream_id=call_id,
        cache="bypass" if turn.slot is None else "miss",
        standing=call.standing,
    )
    if asked.stream:
        model = call.route.model_id
        return replace(reply, model=model, batches=lambda: stream.events().batches())
    outcome = stream.wait()
    if outcome.error is not None:
        upstream_failures.raise_upstream(outcome.error)
    return replace(
        reply,
        model=call.route.model_id,
        body=relay.body(outcome),
        cost_usd=relay.cost_usd,
        standing=call.standing,
    )


def _asked_once(turn: Turn, ways: FoundRoutes, slot: ResponseSlot) -> Reply:
    """Ask a provider, or share the answer of whoever asks the same just now."""
    call_id = new_id()
    found = claim_or_share(slot, turn.form, call_id)
    if isinstance(found, KeptAnswer):
        return _replayed(turn, slot, found, "coalesced")
    if found is not None:
        return _shared(turn, slot, found) or _asked(turn, ways, call_id)
    try:
        return _asked(turn, ways, call_id)
    except BaseException:
        slot.release(turn.form, call_id)
        raise


def _shared(turn: Turn, slot: ResponseSlot, reader: Reader) -> Reply | None:
    """Another's answer while it is made; `None` where it comes to nothing."""
    batches = followed(reader)
    if not turn.asked.stream:
        deque(batches, maxlen=0)
        kept = slot.find()
        return None if kept is None else _replayed(turn, slot, kept, "coalesced")
    first = next((batch for batch in batches if batch), None)
    if first is None or first[0].name == "error":
        return None
    _book_when_over(turn, slot, reader.stream_id)
    following = _unpaid(chain([first], batches), turn.style)
    owner, model = owner_and_model(reader.stream_id)
    return Reply(
        batches=lambda: following,
        model=model,
        stream_id=reader.stream_id if owner == turn.principal.user_id else None,
        cache="coalesced",
        cost_usd=NOTHING,
    )


def _unpaid(batches: Iterator[Sequence[Event]], style: Style) -> Iterator[Sequence[Line]]:
    """The events of another's call, which costs this caller nothing."""
    for batch in batches:
        yield [Draft(each.name, style.unpaid(each.name, each.data)) for each in batch]


def _book_when_over(turn: Turn, slot: ResponseSlot, stream_id: str) -> None:
    """Book what a shared call saves, once it is answered, whether its caller stays or not.

    The answer need not be kept for that: it may be too large, or cut off by a limit.
    """

    def book() -> None:
        with suppress(StreamGone):  # it is over
            deque(runtime().streams.join(stream_id).batches(), maxlen=0)
        saved = ledger.answered_call(stream_id)
        if saved is not None:
            slot.book(saved, turn.style.endpoint, is_streamed=True)

    runtime().background.start(book)


def _replayed(turn: Turn, slot: ResponseSlot, kept: KeptAnswer, how: str) -> Reply:
    """An answer that was kept, in the form that is asked for."""
    saved = SavedCall(kept.provider_id, kept.model_id, kept.usage)
    slot.book(saved, turn.style.endpoint, is_streamed=turn.asked.stream)
    bill = Bill(kept.usage, Decimal(0), kept.is_estimated)
    dialect = turn.style.speak(
        Head(
            kept.call_id,
            kept.created_s,
            lambda: kept.model_id,
            include_usage=turn.asked.include_usage,
        )
    )
    reply = Reply(model=kept.model_id, cache=how, cost_usd=NOTHING, is_ready=True)
    if not turn.asked.stream:
        return replace(reply, body=dialect.whole(kept.outcome(), bill, kept.raws()))
    events = [draft for chunk in kept.chunks() for draft in dialect.chunk(chunk)]
    events += dialect.closing(kept.outcome(), bill)
    return replace(reply, batches=lambda: iter([events]))
