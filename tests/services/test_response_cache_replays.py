"""The response cache: how an answer that is kept, or is just being made, is given again."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas.openai import ChatCall
from schemas.response_cache import CacheControls
from services import completions, relays
from services.authentication import authenticate
from tests.doubles.together import together
from tests.services.cached_requests import CHAT, HELLO, MESSAGES, ON, asked, how_met
from tests.streams.scripts import wait_until

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


@pytest.fixture
def settings(settings, request):
    """The suite's, with what a test changes of it."""
    return replace(settings, **getattr(request, "param", {}))


def _chunks(answer):
    lines = [each.removeprefix(b"data: ") for each in answer.data.split(b"\n\n")[:-1]]
    return [msgspec.json.decode(each) for each in lines if each != b"[DONE]"]


def _records(client):
    return client.get("/api/costs/records").json["items"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_is_replayed_with_its_own_chunks(alice, provided, path):
    """Not as one large one, and to its end."""
    first, again = [asked(alice, path=path, stream=True) for _ in range(2)]

    assert how_met(first, again) == ["miss", "hit"]
    assert again.content_type == "text/event-stream; charset=utf-8"
    assert again.data.replace(b'"cost_usd":"0"', b'"cost_usd":null') == first.data
    assert len(provided.requests) == 1


@pytest.mark.parametrize("model", ["up/echo", "up/tools", "up/reasoning", "demo/echo"])
@pytest.mark.parametrize("streamed_first", [True, False])
def test_a_stream_and_a_whole_answer_serve_each_other(alice, provided, model, streamed_first):
    """It is the same answer in another form."""
    asked(alice, model, stream=streamed_first)
    again = asked(alice, model, stream=not streamed_first)
    fresh = asked(alice, model, stream=not streamed_first, cache={"no-store": True})

    assert how_met(again, fresh) == ["hit", "bypass"]
    assert _essence(again) == _essence(fresh)


def _essence(answer):
    """What an answer says, in either form."""
    bodies = [answer.json] if answer.is_json else _chunks(answer)
    text, reasons, calls = "", [], []
    for choice in [choice for body in bodies for choice in body["choices"]]:
        said = choice.get("message") or choice["delta"]
        text += said.get("content") or ""
        calls += [each["function"] for each in said.get("tool_calls") or ()]
        reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
    return text, reasons, calls


def test_one_clients_format_is_served_from_the_others(alice, provided):
    """What was asked is the same; how it is written is the client's."""
    asked(alice, max_tokens=50, stream=True)
    message = asked(alice, path=MESSAGES)

    assert how_met(message) == ["hit"]
    assert message.json["content"] == [{"type": "text", "text": "You said: hello "}]


def test_the_ledger_says_what_was_saved_and_sums_stay_exact(app, admin, alice, provided):
    """A hit is no call: it has a row of its own, and costs nothing."""
    price = {"rates": {"input": "1000", "output": "2000"}}
    admin.put("/api/costs/pricing/up/echo", json=price)
    asked(alice)
    asked(alice, stream=True, **USAGE)

    hit, call = _records(alice)
    totals = alice.get("/api/costs/usage").json["totals"]
    assert (call["status"], call["saved_usd"]) == ("ok", None)
    assert (hit["status"], hit["cost_usd"], hit["saved_usd"]) == ("cached", "0", call["cost_usd"])
    assert (totals["calls"], totals["cache_hits"]) == (1, 1)
    assert (totals["cost_usd"], totals["saved_usd"]) == (call["cost_usd"], call["cost_usd"])
    assert totals["output_tokens"] == call["output_tokens"]
    metric = f"larder_response_cache_saved_usd_total {float(call['cost_usd'])}"
    assert metric in alice.get("/metrics").text


def test_a_streams_hit_says_that_it_cost_nothing(admin, alice, provided):
    """In its usage, as every stream does."""
    admin.put("/api/costs/pricing/up/echo", json={"rates": {"input": "1", "output": "1"}})
    first, again = [asked(alice, stream=True, **USAGE) for _ in range(2)]

    costs = [_chunks(each)[-1]["usage"]["cost_usd"] for each in (first, again)]
    assert (costs[0] > "0", costs[1]) == (True, "0")


@pytest.mark.parametrize("stream", [True, False])
def test_the_same_request_in_flight_is_one_call(alice, provided, stream):
    """Whoever comes while it is answered reads along."""
    ask = lambda: asked(alice, "up/slow", stream=stream)  # noqa: E731 (called eight times at once)

    answers = together([ask] * 8)

    assert len(provided.requests) == 1
    how = sorted(how_met(*answers))
    assert how.count("miss") == 1
    assert set(how) <= {"miss", "coalesced", "hit"}
    assert "coalesced" in how
    assert len({each.data.replace(b'"cost_usd":"0"', b'"cost_usd":null') for each in answers}) == 1


def test_who_shares_a_call_is_told_its_model_and_may_leave(alice, provided):
    """What was saved is booked all the same: the call itself would have cost as much."""
    words = [{"role": "user", "content": "word " * 20}]
    body = {"model": "up/slow", "messages": words, "stream": True, **ON}
    first, copy = [alice.post(CHAT, json=body) for _ in range(2)]

    next(copy.iter_encoded())
    copy.close()

    assert [each.headers["X-Larder-Model"] for each in (first, copy)] == ["up/slow"] * 2
    assert copy.headers["X-Larder-Cache"] == "coalesced"
    assert b"[DONE]" in first.data
    wait_until(lambda: {each["status"] for each in _records(alice)} == {"ok", "cached"})


def test_who_leaves_before_a_first_byte_has_saved_as_much(app, alice, provided):
    """Its server never asks for one then."""
    body = {"messages": [{"role": "user", "content": "word " * 20}]}
    call = ChatCall("up/slow", True, False, body, cache=CacheControls())
    with app.app_context():
        principal = authenticate(alice.key)
        first, copy = [completions.answer(principal, call, relays.CHAT) for _ in range(2)]
        assert copy.cache == "coalesced"

        del copy
        list(first.batches())

    wait_until(lambda: {each["status"] for each in _records(alice)} == {"ok", "cached"})


@pytest.mark.parametrize("settings", [{"cache_entry_bytes": 100}], indirect=True)
def test_a_shared_call_saves_also_where_its_answer_is_not_kept(alice, provided):
    """One that is too large, or that a limit cut off, would have cost as much."""
    body = {"model": "up/slow", "messages": HELLO, "stream": True, **ON}
    answers = [alice.post(CHAT, json=body) for _ in range(2)]
    assert all(b"[DONE]" in each.data for each in answers)

    assert how_met(*answers) == ["miss", "coalesced"]
    wait_until(lambda: len(_records(alice)) == 2)
    saving, call = sorted(_records(alice), key=lambda each: each["status"])
    assert (saving["status"], call["status"]) == ("cached", "ok")
    assert saving["saved_usd"] == call["cost_usd"]
    assert how_met(asked(alice, "up/slow", stream=True)) == ["miss"]


def test_a_call_in_flight_that_fails_fails_nobody_else(alice, provided):
    """Each of the others asks for itself, and hears the provider's own words."""
    ask = lambda: asked(alice, "up/status-400")  # noqa: E731 (called four times at once)

    answers = together([ask] * 4)

    assert [each.status_code for each in answers] == [400] * 4


def test_a_hit_is_free_though_the_budget_is_spent(admin, alice, provided):
    """It spends nothing, so nothing forbids it."""
    admin.put("/api/costs/pricing/up/echo", json={"rates": {"input": "1000", "output": "1000"}})
    asked(alice)
    budget = {"subject_kind": "user", "subject_id": alice.user_id, "period": "day",
              "hard_limit_usd": "0.000001"}  # fmt: skip
    made = admin.post("/api/costs/budgets", json=budget)

    assert made.status_code == 201, made.json
    assert how_met(asked(alice)) == ["hit"]
    assert asked(alice, seed=1).status_code == 402
