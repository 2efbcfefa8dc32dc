"""A completion on its way: what is kept of it, and that keeping it costs nobody the answer."""

from typing import Any

import pytest

from schemas.openai import ChatCall
from services import authentication, calls
from services.costs import ledger
from services.model_routes import routes_for
from services.relays import CHAT, MESSAGES, Relay, Turn
from services.response_cache import KeptAnswer, ResponseSlot
from services.runtime import runtime
from streams.plan import StreamPlan
from tests.factories.chats import make_conversation

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


class FullSlot(ResponseSlot):
    """A slot that cannot keep anything."""

    def keep(self, kept: KeptAnswer) -> None:
        """Fail, whatever it is."""
        raise OSError(f"no space left for {kept.call_id}")


def _call(*, stream=False):
    return ChatCall("demo/echo", stream, include_usage=False, body=HELLO)


@pytest.mark.parametrize("style", [CHAT, MESSAGES])
def test_only_answers_of_the_same_form_are_followed(style):
    """A stream's events are none of another format's, nor of one with usage."""
    nobody: Any = None
    streamed = Turn(nobody, _call(stream=True), style, None)
    whole = Turn(nobody, _call(), style, None)

    assert streamed.form != whole.form
    assert streamed.form.startswith(style.endpoint)


def _ask_completion(client):
    body = {"model": "up/echo", "stream": True, **HELLO}
    return client.post("/v1/chat/completions", json=body, headers={"Cache-Control": "max-age=600"})


def _ask_in_conversation(client):
    path = f"/api/conversations/{make_conversation(client, model='up/echo')}/messages"
    return client.post(path, json={"content": "hello", "cache": {}})


@pytest.mark.parametrize("ask", [_ask_completion, _ask_in_conversation])
def test_an_answer_that_could_not_be_booked_is_not_shared(alice, provided, monkeypatch, ask):
    """A moment's fault of the database is one caller's: who asks the same next is asked for."""
    book = ledger.book
    faults = [RuntimeError("away for a moment")]

    def fail_once(*args: Any) -> Any:
        if faults:
            raise faults.pop()
        return book(*args)

    monkeypatch.setattr(ledger, "book", fail_once)

    assert "internal_error" in ask(alice).get_data(as_text=True)
    again = ask(alice)

    assert again.headers["X-Larder-Cache"] == "miss"
    assert "internal_error" not in again.get_data(as_text=True)


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(app, alice, logged):
    """The cache is a favour."""
    nothing: Any = None
    with app.app_context():
        principal = authentication.authenticate(alice.key)
        slot = FullSlot(principal, nothing, "", None, None)
        call = calls.plan_call(
            principal, routes_for("demo/echo", HELLO), HELLO, endpoint="x", stream=False
        )
        relay = Relay(call, Turn(principal, _call(), CHAT, slot))
        outcome = relay.start().wait()

        assert b"hello" in relay.body(outcome)
    assert "response_not_kept" in [each["event"] for each in logged()]


@pytest.mark.parametrize(("fields", "is_told"), [({"cache": {}}, True), ({}, False)])
def test_other_workers_hear_of_a_call_that_can_be_shared(app, alice, monkeypatch, fields, is_told):
    """However soon it is over: whoever heard of the claim would look for its stream in vain."""
    plans: list[StreamPlan] = []
    with app.app_context():
        streams = runtime().streams
    run = streams.run

    def noted(plan: StreamPlan) -> Any:
        plans.append(plan)
        return run(plan)

    monkeypatch.setattr(streams, "run", noted)

    alice.post("/v1/chat/completions", json={"model": "demo/echo", **HELLO, **fields})

    assert [each.is_kept for each in plans] == [is_told]
