"""The response cache within conversations: wanted, met, shared, and paid for by nobody twice."""

import pytest

from schemas.response_cache import CacheControls
from services import authentication
from services.answer_plans import ENDPOINT, plan_answer
from services.errors import BudgetExceeded
from tests.doubles.together import together
from tests.factories.chats import events_of, make_conversation, say
from tests.factories.users import make_user

ON = {"cache": {"ttl": 600}}
DOLLARS = {"rates": {"input": "1000", "output": "1000"}}


def _how(*answers):
    assert {each.status_code for each in answers} == {200}, [each.data for each in answers]
    return [each.headers["X-Larder-Cache"] for each in answers]


def _say(client, model="up/echo", content="hello", **fields):
    """The first thing said in a conversation of its own."""
    return say(client, make_conversation(client, model=model), content, **{**ON, **fields})


def _pieces(answer):
    return [data for name, data in events_of(answer.data) if name == "delta"]


def _message(client, answer):
    start = events_of(answer.data)[0][1]
    listed = client.get(f"/api/conversations/{start['conversation_id']}/messages").json["items"]
    return listed[-1]


def _records(client):
    return client.get("/api/costs/records").json["items"]


def test_the_same_question_is_answered_from_the_cache(admin, alice, provided):
    """In its own stream, with the chunks it had, and a message of its own."""
    admin.put("/api/costs/pricing/up/echo", json=DOLLARS)

    first, again = _say(alice), _say(alice)

    kept = _message(alice, again)
    assert _how(first, again) == ["miss", "hit"]
    assert _pieces(again) == _pieces(first)
    assert len(provided.requests) == 1
    assert (kept["content"], kept["status"], kept["usage"]["cost_usd"]) == (
        "You said: hello ", "complete", "0",
    )  # fmt: skip
    assert kept["usage"]["output_tokens"] == _message(alice, first)["usage"]["output_tokens"]


def test_the_ledger_says_what_was_saved(admin, alice, provided):
    """A copy is no call; it has a row of its own that names its message."""
    admin.put("/api/costs/pricing/up/echo", json=DOLLARS)
    _say(alice)
    again = _say(alice)

    hit, call = _records(alice)
    assert (hit["status"], hit["cost_usd"], hit["saved_usd"]) == ("cached", "0", call["cost_usd"])
    assert hit["message_id"] == _message(alice, again)["id"]


def test_a_hit_is_a_stream_that_can_be_read_again(alice, provided):
    """S3 holds for it as for any other."""
    _say(alice)
    again = _say(alice)

    stream_id = again.headers["X-Larder-Stream-Id"]
    read = alice.get(f"/api/streams/{stream_id}", headers={"Last-Event-ID": "0"}, buffered=True)
    assert again.data.endswith(read.data)
    assert len(events_of(read.data)) == len(events_of(again.data)) - 1


def test_it_serves_v1_and_is_served_by_it(alice, provided):
    """The same request is the same request, wherever it comes in."""
    said = {"model": "up/echo", "messages": [{"role": "user", "content": "hello"}], **ON}
    _say(alice)
    completion = alice.post("/v1/chat/completions", json=said)

    assert _how(completion) == ["hit"]
    assert completion.json["choices"][0]["message"]["content"] == "You said: hello "


def test_what_was_said_before_is_part_of_the_question(alice, provided):
    """The same words mean something else later in a conversation."""
    chat = make_conversation(alice, model="up/echo")

    assert _how(*[say(alice, chat, "hello", **ON) for _ in range(2)]) == ["miss", "miss"]


def test_it_is_off_unless_it_is_turned_on(alice, provided):
    """An answer that may be old must be wanted."""
    assert _how(*[_say(alice, cache=None) for _ in range(2)]) == ["bypass", "bypass"]
    assert _how(_say(alice, stream=False, cache=None)) == ["bypass"]


def test_a_key_may_turn_it_on(app, provided):
    """For chat interfaces that cannot say it themselves."""
    client = make_user(app, "Robot", response_cache_ttl_s=600)

    assert _how(*[_say(client, cache=None, stream=False) for _ in range(2)]) == ["miss", "hit"]


def test_nobody_gets_anothers_answer(alice, bob, provided):
    """Not even to the very same question."""
    assert _how(_say(alice), _say(bob)) == ["miss", "miss"]


def test_regenerating_asks_anew_and_keeps_the_new_answer(alice, provided):
    """Who wants another answer has seen this one."""
    answer = _say(alice)
    message = _message(alice, answer)
    chat = events_of(answer.data)[0][1]["conversation_id"]

    path = f"/api/conversations/{chat}/messages/{message['id']}/regenerate"
    again = alice.post(path, json=ON, buffered=True)

    assert _how(again, _say(alice)) == ["miss", "hit"]
    assert len(provided.requests) == 2


def test_the_same_question_in_flight_is_one_call(alice, provided):
    """Whoever comes meanwhile reads along, each in a conversation of its own."""
    answers = together([lambda: _say(alice, "up/slow")] * 6)

    how = _how(*answers)
    assert len(provided.requests) == 1
    assert (how.count("miss"), "coalesced" in how) == (1, True)
    assert len({str(_pieces(each)) for each in answers}) == 1
    assert {events_of(each.data)[-1][0] for each in answers} == {"done"}
    assert sorted(each["status"] for each in _records(alice)) == [*["cached"] * 5, "ok"]


def test_a_question_in_flight_that_fails_fails_nobody_else(alice, provided):
    """Each of the others asks for itself, and is told what its provider said."""
    answers = together([lambda: _say(alice, "up/status-400")] * 4)

    assert [each.status_code for each in answers] == [400] * 4


@pytest.mark.parametrize("model", ["up/break", "up/malformed"])
def test_what_broke_is_never_kept(alice, provided, model):
    """Half an answer is none."""
    assert _how(*[_say(alice, model) for _ in range(2)]) == ["miss", "miss"]


def test_a_call_that_may_not_be_made_is_not_waited_for(app, admin, alice, provided):
    """Its claim goes with it; a hit is free all the same."""
    admin.put("/api/costs/pricing/up/echo", json=DOLLARS)
    _say(alice)
    budget = {"subject_kind": "user", "subject_id": alice.user_id, "period": "day",
              "hard_limit_usd": "0.000001"}  # fmt: skip
    admin.post("/api/costs/budgets", json=budget)
    with app.app_context():
        principal = authentication.authenticate(alice.key)
        body = {"messages": [{"role": "user", "content": "anew"}]}
        with pytest.raises(BudgetExceeded):
            plan_answer(principal, "up/echo", body, None)

    assert _say(alice, content="anew").status_code == 402
    assert _how(_say(alice)) == ["hit"]


def test_a_plan_that_comes_to_nothing_gives_up_its_claim(app, alice, provided):
    """Else whoever asks next would look for it in vain."""
    with app.app_context():
        principal = authentication.authenticate(alice.key)
        body = {"messages": [{"role": "user", "content": "hello"}]}
        controls = CacheControls()
        plan = plan_answer(principal, "up/echo", body, controls)
        with pytest.raises(OSError, match="full"), plan.claimed():
            raise OSError("full")

        assert plan.slot is not None
        assert plan.slot.claim(ENDPOINT, "another") is None
