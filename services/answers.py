"""Ask a model within a conversation: prompt, stream, then message and ledger row together.

The question and an empty answer are stored before the provider is called, so that nothing said is
lost; the answer, its usage and its cost are stored in one transaction before `done` goes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cache.scopes import UserId
from providers.protocol import Chunk, ChunkStream, ProviderError
from schemas.answers import Question, Regenerate
from schemas.response_cache import CacheControls
from services import answer_events, attachments, upstream_failures
from services.answer_copies import AnswerCopy
from services.answer_plans import AnswerPlan, plan_answer
from services.calls import Bill, ModelCall
from services.conversations import messages, threads
from services.errors import Invalid, NotFound
from services.principal import Principal
from services.prompts import prompt_of
from services.response_recording import Recording, given_up_on_failure
from services.runtime import runtime
from services.standing import Standing
from services.unit_of_work import UnitOfWork, unit_of_work
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from streams.running import RunningStream

__all__ = ["Answer", "ask", "finished_message", "regenerate"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way: the stream it comes through and the message it is kept in.

    `cache` says how the response cache was met: `hit`, `miss`, `coalesced` or `bypass`.
    """

    stream: RunningStream
    call: ModelCall | AnswerCopy
    cache: str

    @property
    def standing(self) -> Standing | None:
        """Where the key stands with its tokens, if a call was made and they are limited."""
        return self.call.standing if isinstance(self.call, ModelCall) else None


def ask(principal: Principal, conversation_id: str, question: Question) -> Answer:
    """Store a question and have it answered.

    Returns:
        The answer on its way; the provider has accepted and the first event is there.

    Raises:
        NotFound: the caller has no such conversation or model.
        Invalid: the parent or a file is not of this conversation or caller, or the question is
            longer than a message may be.
        Conflict: the parent is an answer that is still being written.
        BudgetExceeded: a hard limit is reached; nothing was stored.
        UpstreamFailed: the provider failed before its first token; question and failure are kept.
    """
    messages.check_length(question.content)
    owner = principal.user_id
    thread = threads.get_conversation(owner, conversation_id).value
    attachments.check_files(owner, question.file_ids)
    before = _path_to(owner, conversation_id, question.parent_id)
    asked = {"role": "user", "content": question.content, "file_ids": question.file_ids}
    plan = _plan(principal, thread, question, [*before, asked], question.cache)
    with plan.revocable(), unit_of_work() as work:
        row = messages.add_question(
            work,
            owner,
            conversation_id,
            content=question.content,
            parent_id=before[-1]["id"] if before else None,
            params=question.params or None,
            file_ids=question.file_ids or None,
        )
        plan = _store_answer(work, plan, conversation_id, row.id)
    return _start(plan)


def regenerate(
    principal: Principal, conversation_id: str, message_id: str, again: Regenerate
) -> Answer:
    """Have the question above an answer (or the question itself) answered once more.

    The answer is a new one, also where the response cache is on: it is kept in place of the last.

    Raises:
        NotFound, Invalid, Conflict, BudgetExceeded, UpstreamFailed: as `ask`.
    """
    owner = principal.user_id
    thread = threads.get_conversation(owner, conversation_id).value
    path = messages.branch(owner, conversation_id, message_id).value["items"]
    if path and path[-1]["role"] == "assistant":
        path = path[:-1]
    if not path or path[-1]["role"] != "user":
        raise Invalid.field("message_id", "There is no question above this message.")
    anew = replace(again.cache or CacheControls(is_wanted=False), no_cache=True)
    plan = _plan(principal, thread, again, path, anew)
    with plan.revocable(), unit_of_work() as work:
        plan = _store_answer(work, plan, conversation_id, path[-1]["id"])
    return _start(plan)


def finished_message(answer: Answer) -> dict[str, Any]:
    """Wait until an answer has ended; its message.

    Raises:
        UpstreamFailed: the provider failed on the way; the partial answer is kept.
    """
    outcome = answer.stream.wait()
    if outcome.error is not None:
        upstream_failures.raise_upstream(outcome.error)
    call = answer.call
    return messages.get_message(
        call.principal.user_id, call.conversation_id or "", call.message_id or ""
    ).value


def _path_to(owner: UserId, conversation_id: str, parent_id: str | None) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = messages.branch(owner, conversation_id, parent_id).value[
            "items"
        ]
    except NotFound as fault:
        raise Invalid.field("parent_id", fault.detail) from fault
    return items


def _plan(
    principal: Principal,
    thread: Mapping[str, Any],
    asked: Question | Regenerate,
    path: Sequence[Mapping[str, Any]],
    controls: CacheControls | None,
) -> AnswerPlan:
    model_id = asked.model or thread["model"]
    if model_id is None:
        raise Invalid.field("model", "Name a model: the conversation has none of its own.")
    prompt = prompt_of(principal.user_id, thread["system_prompt"], path)
    body = {**asked.params, "messages": prompt}
    return plan_answer(principal, model_id, body, controls)


def _store_answer(
    work: UnitOfWork, plan: AnswerPlan, conversation_id: str, parent_id: str
) -> AnswerPlan:
    """Store the empty answer and its stream; the plan that fills it."""
    call = plan.call
    row = messages.add_answer(
        work,
        call.principal.user_id,
        conversation_id,
        parent_id=parent_id,
        model_id=call.model_id,
        stream_id=call.call_id,
    )
    call = replace(call, conversation_id=conversation_id, message_id=row.id)
    call.open(work)
    return replace(plan, call=call)


def _start(plan: AnswerPlan) -> Answer:
    call, recording = plan.call, plan.recording
    stream_plan = StreamPlan(
        stream_id=call.call_id,
        opening=lambda: _opening(call),
        pull=call.pull if recording is None else lambda: _announced(call, recording),
        encode=answer_events.deltas
        if recording is None
        else lambda chunk: _taken(chunk, recording),
        finish=lambda outcome: _finish(plan, outcome),
        time_limits=call.time_limits(),
        is_pulled_by_readers=not isinstance(call, AnswerCopy),
    )
    try:
        with plan.claimed():
            stream = runtime().streams.start(stream_plan)
    except ProviderError as fault:
        upstream_failures.raise_upstream(fault)
    return Answer(stream, call, plan.cache)


def _opening(call: ModelCall | AnswerCopy) -> list[Draft]:
    return answer_events.opening(
        stream_id=call.call_id,
        conversation_id=call.conversation_id,
        message_id=call.message_id,
        model_id=call.model_id,
    )


def _announced(call: ModelCall | AnswerCopy, recording: Recording) -> ChunkStream:
    """Open the call; from here on the stream is there to be followed."""
    recording.announce()
    return call.pull()


def _taken(chunk: Chunk, recording: Recording) -> list[Draft]:
    recording.add(chunk)
    return answer_events.deltas(chunk)


def _finish(plan: AnswerPlan, outcome: Outcome) -> list[Draft]:
    """Store answer, ledger row and stream's end together; the closing events."""
    call = plan.call
    with given_up_on_failure(plan.recording, call.call_id):
        bill = _booked(call, outcome)
    if plan.recording is not None and isinstance(call, ModelCall):
        plan.recording.keep(call, outcome, bill)
    return answer_events.closing(call.message_id, outcome, bill)


def _booked(call: ModelCall | AnswerCopy, outcome: Outcome) -> Bill:
    close = call.closing(outcome)
    with unit_of_work() as work:
        bill = close(work)
        messages.finish_answer(
            work,
            call.message_id or "",
            {
                "content": outcome.text,
                "model_id": call.model_id,
                "reasoning": outcome.reasoning or None,
                "tool_calls": list(outcome.tool_calls) or None,
                "status": _message_status(outcome),
                "finish_reason": outcome.finish_reason,
                "error_code": outcome.error.code if outcome.error else None,
                "input_tokens": bill.usage.input_tokens,
                "output_tokens": bill.usage.output_tokens,
                "cached_tokens": bill.usage.cached_tokens,
                "cost_usd": bill.cost_usd,
                "is_estimated": bill.is_estimated,
            },
        )
    return bill


def _message_status(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "error"
    return "cancelled" if outcome.finish_reason == "cancelled" else "complete"
