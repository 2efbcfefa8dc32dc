"""A completion on its way: what is kept of it, and that keeping it costs nobody the answer."""

from typing import Any

import pytest

from schemas.openai import ChatCall
from services import authentication, calls
from services.model_routes import routes_for
from services.relays import CHAT, MESSAGES, Relay, Turn
from services.response_cache import KeptAnswer, ResponseSlot

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
