"""One completion on its way from its provider: produced, written, booked, and kept where asked."""

from collections.abc import Callable
from dataclasses import dataclass

from providers.protocol import Chunk, ChunkStream, ProviderError
from schemas.fields import money_text
from schemas.openai import ChatCall
from services import calls, upstream_failures
from services.calls import Bill, ModelCall
from services.dialects.anthropic import AnthropicDialect, anthropic_unpaid
from services.dialects.embeddings import EmbeddingsDialect, embeddings_unpaid
from services.dialects.openai import OpenAIDialect, openai_unpaid
from services.dialects.protocol import Dialect, Head
from services.principal import Principal
from services.rate_limits import given_back
from services.response_cache import ResponseSlot
from services.response_recording import Recording, given_up_on_failure
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from streams.running import RunningStream

__all__ = ["CHAT", "EMBEDDINGS", "MESSAGES", "Relay", "Style", "Turn"]


@dataclass(frozen=True, slots=True)
class Style:
    """A client's format: what the ledger calls its end point, and how an answer is written.

    `unpaid` gives an event's data as it is for one who pays nothing for it.
    """

    endpoint: str
    speak: Callable[[Head], Dialect]
    unpaid: Callable[[str, bytes], bytes]


CHAT = Style("chat.completions", OpenAIDialect, openai_unpaid)
EMBEDDINGS = Style(calls.EMBEDDINGS, EmbeddingsDialect, embeddings_unpaid)
MESSAGES = Style("messages.anthropic", AnthropicDialect, anthropic_unpaid)


@dataclass(frozen=True, slots=True)
class Turn:
    """Who asks what, how it is written, and where the answer is kept, if it is."""

    principal: Principal
    asked: ChatCall
    style: Style
    slot: ResponseSlot | None

    @property
    def form(self) -> str:
        """Answers of one form are the same events."""
        flags = (self.asked.stream, self.asked.include_usage)
        return ":".join([self.style.endpoint, *map(str, flags)])


class Relay:
    """One completion on its way; belongs to its producer until the outcome is there."""

    def __init__(self, call: ModelCall, turn: Turn) -> None:
        self.call = call
        self._turn = turn
        self._recording = None if turn.slot is None else Recording(turn.slot, turn.form)
        self._dialect = turn.style.speak(
            Head(
                call.call_id,
                int(call.called_at.timestamp()),
                lambda: call.route.model_id,
                include_usage=turn.asked.include_usage,
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
        with given_back(self.call.reservation), unit_of_work() as work:
            self.call.open(work)
        plan = StreamPlan(
            stream_id=self.call.call_id,
            opening=list,
            pull=self._pull,
            encode=self._encode,
            finish=self._finish,
            time_limits=self.call.time_limits(),
            is_kept=self._turn.asked.stream or self._turn.slot is not None,
        )
        try:
            streams = runtime().streams
            return streams.start(plan) if self._turn.asked.stream else streams.run(plan)
        except ProviderError as fault:
            upstream_failures.raise_upstream(fault)

    def body(self, outcome: Outcome) -> bytes:
        """The whole answer."""
        assert self._bill is not None  # noqa: S101 (the outcome is there once it is booked)
        return self._dialect.whole(outcome, self._bill, ())

    def _pull(self) -> ChunkStream:
        """Open the call; from here on the stream is there to be followed."""
        if self._recording is not None:
            self._recording.announce()
        return self.call.pull()

    def _encode(self, chunk: Chunk) -> list[Draft]:
        if self._recording is not None:
            self._recording.add(chunk)
        return self._dialect.chunk(chunk) if self._turn.asked.stream else []

    def _finish(self, outcome: Outcome) -> list[Draft]:
        """Book the call; the closing lines."""
        with given_up_on_failure(self._recording, self.call.call_id):
            close = self.call.closing(outcome)
            with unit_of_work() as work:
                self._bill = close(work)
        if self._recording is not None:
            self._recording.keep(self.call, outcome, self._bill)
        if outcome.error is not None:
            return [self._dialect.failure(outcome.error)]
        return self._dialect.closing(outcome, self._bill)
