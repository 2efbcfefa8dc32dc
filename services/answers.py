"""Ask a model within a conversation: prompt, stream, then message and ledger row together.

The question and an empty answer are stored before the provider is called, so that nothing said is
lost; the answer, its usage and its cost are stored in one transaction before `done` goes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from cache.scopes import UserId
from providers.protocol import Chunk, ProviderError
from schemas.answers import Question, Regenerate
from schemas.fields import money_text
from services import attachments, calls
from services.calls import Bill, ModelCall
from services.conversations import messages, threads
from services.errors import Invalid, NotFound
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import UnitOfWork, unit_of_work
from streams.events import Draft
from streams.outcome import Outcome
from streams.plan import StreamPlan
from streams.running import RunningStream

__all__ = ["Answer", "ask", "finished_message", "regenerate"]

ENDPOINT = "messages"
_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way: the stream it comes through and the message it is kept in."""

    stream: RunningStream
    owner: UserId
    conversation_id: str
    message_id: str


def ask(principal: Principal, conversation_id: str, question: Question) -> Answer:
    """Store a question and have it answered.

    Returns:
        The answer on its way; the provider has accepted and the first event is there.

    Raises:
        NotFound: the caller has no such conversation or model.
        Invalid: the parent or a file is not of this conversation or caller.
        Conflict: the parent is an answer that is still being written.
        BudgetExceeded: a hard limit is reached; nothing was stored.
        UpstreamFailed: the provider failed before its first token; question and failure are kept.
    """
    owner = principal.user_id
    thread = threads.get_conversation(owner, conversation_id).value
    attachments.check_files(owner, question.file_ids)
    before = _path_to(owner, conversation_id, question.parent_id)
    asked = {"role": "user", "content": question.content, "file_ids": question.file_ids}
    call = _plan(principal, thread, question, [*before, asked])
    with unit_of_work() as work:
        row = messages.add_question(
            work,
            owner,
            conversation_id,
            content=question.content,
            parent_id=before[-1]["id"] if before else None,
            params=question.params or None,
            file_ids=question.file_ids or None,
        )
        call = _store_answer(work, call, conversation_id, row.id)
    return _start(call)


def regenerate(
    principal: Principal, conversation_id: str, message_id: str, again: Regenerate
) -> Answer:
    """Have the question above an answer (or the question itself) answered once more.

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
    call = _plan(principal, thread, again, path)
    with unit_of_work() as work:
        call = _store_answer(work, call, conversation_id, path[-1]["id"])
    return _start(call)


def finished_message(answer: Answer) -> dict[str, Any]:
    """Wait until an answer has ended; its message.

    Raises:
        UpstreamFailed: the provider failed on the way; the partial answer is kept.
    """
    outcome = answer.stream.wait()
    if outcome.error is not None:
        calls.raise_upstream(outcome.error)
    return messages.get_message(answer.owner, answer.conversation_id, answer.message_id).value


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
) -> ModelCall:
    model_id = asked.model or thread["model"]
    if model_id is None:
        raise Invalid.field("model", "Name a model: the conversation has none of its own.")
    prompt: list[dict[str, Any]] = []
    if thread["system_prompt"]:
        prompt.append({"role": "system", "content": thread["system_prompt"]})
    prompt.extend(_prompt_message(principal.user_id, message) for message in path)
    body = {**asked.params, "messages": prompt}
    return calls.plan_call(principal, model_id, body, endpoint=ENDPOINT, stream=True)


def _prompt_message(owner: UserId, message: Mapping[str, Any]) -> dict[str, Any]:
    """A stored message as providers read it."""
    content: Any = message["content"]
    if message.get("file_ids"):
        content = [{"type": "text", "text": content}]
        content.extend(attachments.parts(owner, message["file_ids"]))
    prompt = {"role": message["role"], "content": content}
    if message.get("tool_calls"):
        prompt["tool_calls"] = message["tool_calls"]
    return prompt


def _store_answer(
    work: UnitOfWork, call: ModelCall, conversation_id: str, parent_id: str
) -> ModelCall:
    """Store the empty answer and its stream; the call that fills it."""
    row = messages.add_answer(
        work,
        call.principal.user_id,
        conversation_id,
        parent_id=parent_id,
        model_id=call.route.model_id,
        stream_id=call.call_id,
    )
    call = replace(call, conversation_id=conversation_id, message_id=row.id)
    call.open(work)
    return call


def _start(call: ModelCall) -> Answer:
    plan = StreamPlan(
        stream_id=call.call_id,
        opening=lambda: _opening(call),
        pull=call.pull,
        encode=_deltas,
        finish=lambda outcome: _finish(call, outcome),
        time_limits=call.time_limits(),
    )
    try:
        stream = runtime().streams.start(plan)
    except ProviderError as fault:
        calls.raise_upstream(fault)
    return Answer(stream, call.principal.user_id, call.conversation_id or "", call.message_id or "")


def _opening(call: ModelCall) -> list[Draft]:
    """The first event, which names the model that answers."""
    opening = {
        "stream_id": call.call_id,
        "conversation_id": call.conversation_id,
        "message_id": call.message_id,
        "model": call.route.model_id,
    }
    return [Draft("start", _json.encode(opening))]


def _deltas(chunk: Chunk) -> list[Draft]:
    drafts = []
    if chunk.reasoning:
        drafts.append(Draft("delta", _json.encode({"reasoning": chunk.reasoning})))
    if chunk.text:
        drafts.append(Draft("delta", _json.encode({"text": chunk.text})))
    if chunk.tool_calls:
        drafts.append(Draft("delta", _json.encode({"tool_calls": chunk.tool_calls})))
    return drafts


def _finish(call: ModelCall, outcome: Outcome) -> list[Draft]:
    """Store answer, ledger row and stream's end together; the closing events."""
    with unit_of_work() as work:
        bill = call.close(work, outcome)
        messages.finish_answer(
            work,
            call.message_id or "",
            {
                "content": outcome.text,
                "model_id": call.route.model_id,
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
    return _closing(call, outcome, bill)


def _message_status(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "error"
    return "cancelled" if outcome.finish_reason == "cancelled" else "complete"


def _closing(call: ModelCall, outcome: Outcome, bill: Bill) -> list[Draft]:
    usage = {
        "input_tokens": bill.usage.input_tokens,
        "output_tokens": bill.usage.output_tokens,
        "cached_tokens": bill.usage.cached_tokens,
        "cost_usd": None if bill.cost_usd is None else money_text(bill.cost_usd),
        "estimated": bill.is_estimated,
    }
    drafts = [Draft("usage", _json.encode(usage))]
    if outcome.error is None:
        done = {"message_id": call.message_id, "finish_reason": outcome.finish_reason}
        drafts.append(Draft("done", _json.encode(done)))
    else:
        drafts.append(Draft("error", _json.encode(calls.problem_of(outcome.error))))
    return drafts
