"""Who makes a call that several want at once, and whom the others follow."""

from typing import Any

import pytest

from providers.protocol import Chunk, Usage
from schemas.response_cache import CacheControls
from services import authentication, model_routes, response_cache
from services.response_recording import Recording
from services.response_sharing import MOST_TRIES, claim_or_share
from services.runtime import runtime
from streams.errors import StreamGone
from streams.events import Draft
from streams.plan import StreamPlan
from streams.reading import Reader

BODY = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def slot(app, alice):
    """The place of an answer."""
    with app.app_context():
        principal = authentication.authenticate(alice.key)
        ways = model_routes.routes_for("demo/echo", BODY)
        yield response_cache.slot_for(principal, BODY, CacheControls(), ways)


def test_the_first_makes_the_call(slot):
    """Nobody else does, and it is free again when that is over."""
    assert claim_or_share(slot, "form", "a") is None
    assert slot.claim("form", "b") == "a"

    slot.release("form", "a")

    assert claim_or_share(slot, "form", "b") is None


def test_another_form_is_another_call(slot):
    """Its events could not be followed."""
    claim_or_share(slot, "form", "a")

    assert slot.claim("another", "b") is None


def test_a_call_that_cannot_be_found_is_not_waited_for(slot):
    """A holder that died costs a few looks, and no answer; it costs nobody after that any."""
    claim_or_share(slot, "form", "a")
    slot.announce("form")

    assert claim_or_share(slot, "form", "b") is None
    assert slot.claim("form", "c") == "b"
    assert MOST_TRIES > 1


def test_a_call_that_is_refused_is_not_waited_for(slot, monkeypatch):
    """Its claim is given up at once, and its stream never comes: one look is a short one."""
    claim_or_share(slot, "form", "a")
    slot.announce("form")
    looks: list[Any] = []

    def join(stream_id: str, **how: Any) -> Reader:
        looks.append(how)
        slot.release("form", "a")
        raise StreamGone(stream_id, "expired")

    monkeypatch.setattr(runtime().streams, "join", join)

    assert claim_or_share(slot, "form", "b") is None
    assert slot.claim("form", "c") == "b"
    assert looks == [{}]


def test_a_stream_that_failed_is_not_shared(slot):
    """Its worker died, or could not book it, and left its claim behind: it is claimed anew."""
    plan = StreamPlan(
        stream_id="a",
        opening=list,
        pull=lambda: iter([Chunk(text="x")]),  # type: ignore[arg-type, return-value]
        encode=lambda _: [Draft("chunk", b"x")],
        finish=lambda _: [Draft("error", b"{}")],
    )
    claim_or_share(slot, "form", "a")
    slot.announce("form")
    runtime().streams.start(plan).wait(5)

    assert claim_or_share(slot, "form", "b") is None
    assert slot.claim("form", "c") == "b"


def test_what_was_kept_meanwhile_is_taken(slot):
    """The last holder had finished between the look and the claim."""
    kept = response_cache.KeptAnswer(
        call_id="a", created_s=0, kept_s=0.0, model_id="demo/echo", provider_id="demo",
        is_streamed=True, is_estimated=False, usage=Usage(1, 1),
        pieces=[response_cache.KeptPiece(text="x", finish_reason="stop")],
    )  # fmt: skip
    slot.keep(kept)

    assert claim_or_share(slot, "form", "b") == kept
    assert slot.claim("form", "c") is None


def test_a_recording_lets_those_who_wait_go_on(slot):
    """As soon as there is a stream to follow."""
    claim_or_share(slot, "form", "a")

    Recording(slot, "form").announce()
    slot.wait("form")

    assert slot.claim("form", "b") == "a"
