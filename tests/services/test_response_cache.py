"""The response cache: the same request gets the same answer, and nobody else's."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas.openai import ChatCall
from schemas.response_cache import CacheControls
from services import completions, relays
from services.authentication import authenticate
from tests.doubles.together import together
from tests.doubles.wire_server import whole
from tests.factories.models import make_provider
from tests.factories.users import make_user
from tests.streams.scripts import wait_until

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HELLO = [{"role": "user", "content": "hello"}]
ON = {"cache": {"ttl": 600}}
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture
def settings(settings, request):
    """The suite's, with what a test changes of it."""
    return replace(settings, **getattr(request, "param", {}))


def _asked(client, model="up/echo", path=CHAT, headers=None, **fields):
    limit = {"max_tokens": 50} if path == MESSAGES else {}
    body = {"model": model, "messages": HELLO, **limit, **ON, **fields}
    return client.post(path, json=body, headers=headers or {}, buffered=True)


def _how(*answers):
    assert {each.status_code for each in answers} == {200}
    return [each.headers["X-Larder-Cache"] for each in answers]


def _chunks(answer):
    lines = [each.removeprefix(b"data: ") for each in answer.data.split(b"\n\n")[:-1]]
    return [msgspec.json.decode(each) for each in lines if each != b"[DONE]"]


def _records(client):
    return client.get("/api/costs/records").json["items"]


def test_the_same_request_is_answered_from_the_cache(alice, provided):
    """The same bytes, for nothing, without asking anybody."""
    first, again = _asked(alice), _asked(alice)

    assert _how(first, again) == ["miss", "hit"]
    assert again.data == first.data
    assert again.headers["X-Larder-Cost-Usd"] == "0"
    assert len(provided.requests) == 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_is_replayed_with_its_own_chunks(alice, provided, path):
    """Not as one large one, and to its end."""
    first, again = [_asked(alice, path=path, stream=True) for _ in range(2)]

    assert _how(first, again) == ["miss", "hit"]
    assert again.content_type == "text/event-stream; charset=utf-8"
    assert again.data.replace(b'"cost_usd":"0"', b'"cost_usd":null') == first.data
    assert len(provided.requests) == 1


@pytest.mark.parametrize("model", ["up/echo", "up/tools", "up/reasoning", "demo/echo"])
@pytest.mark.parametrize("streamed_first", [True, False])
def test_a_stream_and_a_whole_answer_serve_each_other(alice, provided, model, streamed_first):
    """It is the same answer in another form."""
    _asked(alice, model, stream=streamed_first)
    again = _asked(alice, model, stream=not streamed_first)
    fresh = _asked(alice, model, stream=not streamed_first, cache={"no-store": True})

    assert _how(again, fresh) == ["hit", "bypass"]
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
    _asked(alice, max_tokens=50, stream=True)
    message = _asked(alice, path=MESSAGES)

    assert _how(message) == ["hit"]
    assert message.json["content"] == [{"type": "text", "text": "You said: hello "}]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "up/usage-zero"},
        {"messages": [*HELLO, *HELLO]},
        {"messages": [{"role": "user", "content": "hello "}]},
        {"temperature": 0.5},
        {"seed": 1},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"unheard_of": 1},
        {"cache": {"ttl": 600, "namespace": "other"}},
    ],
)
def test_another_request_is_another_entry(alice, provided, fields):
    """Whatever may change the answer, fields that nobody knows included."""
    _asked(alice)

    assert _how(_asked(alice, **fields)) == ["miss"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u-2"},
        {"metadata": {"a": "b"}},
        {"safety_identifier": "s"},
        {"messages": [{"content": "hello", "role": "user"}]},
        {"temperature": 1.0},
        {"cache": {"ttl": 60}},
        {"stream": None},
    ],
)
def test_what_makes_no_difference_to_the_answer_is_the_same_request(alice, provided, fields):
    """Who asks, in which form, and how a number is written."""
    _asked(alice, temperature=1)

    assert _how(_asked(alice, **{"temperature": 1, **fields})) == ["hit"]


def test_the_order_of_a_schema_makes_a_difference(alice, provided):
    """Models write the fields of an object in the order of its schema."""
    fields: list[Any] = [{"a": {}, "b": {}}, {"b": {}, "a": {}}]
    formats = [{"type": "json_schema", "json_schema": {"properties": each}} for each in fields]

    assert _how(*[_asked(alice, response_format=each) for each in formats]) == ["miss", "miss"]


def test_nobody_gets_anothers_answer(alice, bob, provided):
    """Not even to the very same request."""
    assert _how(_asked(alice), _asked(bob)) == ["miss", "miss"]


@pytest.mark.parametrize("settings", [{"response_cache_shared": ("faq",)}], indirect=True)
def test_a_declared_namespace_is_shared(alice, bob, provided):
    """Only under its name, and only because the operator said so."""
    faq, own = {"cache": {"namespace": "faq"}}, {"cache": {"namespace": "mine"}}
    answers = [_asked(each, **said) for said in (faq, own) for each in (alice, bob)]

    assert _how(*answers) == ["miss", "hit", "miss", "miss"]


def test_it_is_off_unless_it_is_turned_on(alice, provided):
    """An answer that may be old must be wanted."""
    assert _how(*[_asked(alice, cache=None) for _ in range(2)]) == ["bypass", "bypass"]


def test_a_key_may_turn_it_on(app, provided):
    """For programs that cannot say it themselves."""
    client = make_user(app, "Robot", response_cache_ttl_s=600)

    assert _how(*[_asked(client, cache=None) for _ in range(2)]) == ["miss", "hit"]
    assert _how(_asked(client, cache={"no-store": True})) == ["bypass"]


def test_a_model_may_turn_it_on(admin, alice, provided):
    """For everyone who asks it."""
    admin.patch("/api/models/up/echo", json={"response_cache_ttl_s": 600})

    assert _how(*[_asked(alice, cache=None) for _ in range(2)]) == ["miss", "hit"]


@pytest.mark.parametrize(
    ("header", "how"),
    [
        ("max-age=600", ["miss", "hit"]),
        ("no-cache", ["bypass", "bypass"]),
        ("no-cache, max-age=600", ["miss", "miss"]),
        ("no-store, max-age=600", ["bypass", "bypass"]),
        ("max-age=0", ["bypass", "bypass"]),
    ],
)
def test_a_header_may_turn_it_on(alice, provided, header, how):
    """Age alone does; what browsers send by themselves does not."""
    headers = {"Cache-Control": header}

    assert _how(*[_asked(alice, cache=None, headers=headers) for _ in range(2)]) == how


def test_no_cache_asks_anew_and_keeps_the_answer(alice, provided):
    """A refresh is for all who come later."""
    refresh = {"cache": {"no-cache": True}}
    answers = [_asked(alice), _asked(alice, **refresh), _asked(alice)]

    assert _how(*answers) == ["miss", "miss", "hit"]
    assert len(provided.requests) == 2


def test_an_answer_older_than_wanted_is_none(alice, provided, clock):
    """Who asks for one of a minute gets one of a minute."""
    _asked(alice)
    clock.advance(61)

    assert _how(_asked(alice, cache={"ttl": 60}), _asked(alice)) == ["miss", "hit"]


def test_an_answer_older_than_its_key_or_its_model_says_is_none(app, admin, provided, clock):
    """A time that was shortened holds for what is kept already, whoever had it kept."""
    client = make_user(app, "Robot", response_cache_ttl_s=60)
    admin.patch("/api/models/up/tools", json={"response_cache_ttl_s": 600})
    for model in ("up/echo", "up/tools"):
        _asked(client, model)
    other = make_user(app, "Other")
    _asked(other, "up/tools")
    admin.patch("/api/models/up/tools", json={"response_cache_ttl_s": 60})
    clock.advance(61)

    assert _how(_asked(client, cache=None), _asked(other, "up/tools", cache=None)) == ["miss"] * 2


@pytest.mark.parametrize("header", ["no-cache", "max-age=0"])
def test_a_header_that_wants_no_old_answer_gets_none(app, provided, header):
    """Though its key turns the cache on: as when a page is loaded anew."""
    client = make_user(app, "Robot", response_cache_ttl_s=600)
    headers = [{}, {"Cache-Control": header}, {}]

    answers = [_asked(client, cache=None, headers=each) for each in headers]

    assert _how(*answers) == ["miss", "miss", "hit"]


@pytest.mark.parametrize("model", ["up/break", "up/malformed", "up/error-object"])
def test_what_broke_is_never_kept(alice, provided, model):
    """Half an answer is none."""
    assert _how(*[_asked(alice, model, stream=True) for _ in range(2)]) == ["miss", "miss"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("reason", "how"), [("content_filter", "miss"), ("length", "miss"), ("stop", "hit")]
)
def test_what_a_filter_or_a_limit_has_cut_off_is_never_kept(
    admin, alice, wire, stream, reason, how
):
    """It is no whole answer, whoever is content with it."""
    make_provider(admin, wire.url)
    admin.post("/api/models", json={"id": "acme/m"})
    choice = {"index": 0, "message": {"role": "assistant", "content": "So"}}
    body = {"id": "c", "choices": [{**choice, "finish_reason": reason}]}
    wire.replies([whole(msgspec.json.encode(body))])

    assert _how(*[_asked(alice, "acme/m", stream=stream) for _ in range(2)]) == ["miss", how]


def test_what_failed_is_never_kept(alice, provided):
    """It may go well the next time."""
    statuses = [_asked(alice, "up/status-500").status_code for _ in range(2)]

    assert statuses == [502, 502]
    assert len(provided.requests) == 2


def test_the_ledger_says_what_was_saved_and_sums_stay_exact(app, admin, alice, provided):
    """A hit is no call: it has a row of its own, and costs nothing."""
    price = {"rates": {"input": "1000", "output": "2000"}}
    admin.put("/api/costs/pricing/up/echo", json=price)
    _asked(alice)
    _asked(alice, stream=True, **USAGE)

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
    first, again = [_asked(alice, stream=True, **USAGE) for _ in range(2)]

    costs = [_chunks(each)[-1]["usage"]["cost_usd"] for each in (first, again)]
    assert (costs[0] > "0", costs[1]) == (True, "0")


@pytest.mark.parametrize("stream", [True, False])
def test_the_same_request_in_flight_is_one_call(alice, provided, stream):
    """Whoever comes while it is answered reads along."""
    ask = lambda: _asked(alice, "up/slow", stream=stream)  # noqa: E731 (called eight times at once)

    answers = together([ask] * 8)

    assert len(provided.requests) == 1
    how = sorted(_how(*answers))
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
    asked = ChatCall("up/slow", True, False, body, cache=CacheControls())
    with app.app_context():
        principal = authenticate(alice.key)
        first, copy = [completions.answer(principal, asked, relays.CHAT) for _ in range(2)]
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

    assert _how(*answers) == ["miss", "coalesced"]
    wait_until(lambda: len(_records(alice)) == 2)
    saving, call = sorted(_records(alice), key=lambda each: each["status"])
    assert (saving["status"], call["status"]) == ("cached", "ok")
    assert saving["saved_usd"] == call["cost_usd"]
    assert _how(_asked(alice, "up/slow", stream=True)) == ["miss"]


def test_a_call_in_flight_that_fails_fails_nobody_else(alice, provided):
    """Each of the others asks for itself, and hears the provider's own words."""
    ask = lambda: _asked(alice, "up/status-400")  # noqa: E731 (called four times at once)

    answers = together([ask] * 4)

    assert [each.status_code for each in answers] == [400] * 4


def test_a_hit_is_free_though_the_budget_is_spent(admin, alice, provided):
    """It spends nothing, so nothing forbids it."""
    admin.put("/api/costs/pricing/up/echo", json={"rates": {"input": "1000", "output": "1000"}})
    _asked(alice)
    budget = {"subject_kind": "user", "subject_id": alice.user_id, "period": "day",
              "hard_limit_usd": "0.000001"}  # fmt: skip
    made = admin.post("/api/costs/budgets", json=budget)

    assert made.status_code == 201, made.json
    assert _how(_asked(alice)) == ["hit"]
    assert _asked(alice, seed=1).status_code == 402


@pytest.mark.parametrize("said", [{"ttl": 0}, {"cache": 1}, "yes", 7])
def test_a_wrong_control_is_named(alice, said):
    """It must not be passed over: somebody relies on it."""
    answer = _asked(alice, cache=said)

    assert answer.status_code == 400
    assert answer.json["error"]["param"].startswith("cache")
