"""What one key may do in a minute."""

from functools import partial

import pytest

from services import authentication, calls
from services.conversations import messages
from services.errors import RateLimited
from services.model_routes import routes_for
from services.rate_limits import reserve_tokens
from services.unit_of_work import unit_of_work
from tests.doubles.together import together
from tests.factories.chats import make_conversation, say
from tests.factories.users import make_user

ASKED = {
    "model": "demo/echo",
    "messages": [{"role": "user", "content": "one two three four five"}],
}


def _planned(client, **fields):
    principal = authentication.authenticate(client.key)
    body = {**ASKED, **fields}
    found = routes_for(body.pop("model"), body)
    return calls.plan_call(principal, found, body, endpoint="x", stream=True)


def _reserved(client, app, asked):
    with app.app_context():
        call = _planned(client, **asked)
    return call, call.reservation.standing


def _fail(*_args, **_kwargs):
    raise OSError("away")


def _is_let_in(app, call):
    try:
        with app.app_context(), unit_of_work() as work:
            call.open(work)
    except RateLimited:
        return False
    return True


def test_a_key_makes_as_many_requests_as_it_may(app, clock):
    """The next one learns when it may come."""
    client = make_user(app, "Robot", requests_per_minute=2)
    statuses = [client.get("/api/me").status_code for _ in range(3)]

    refused = client.get("/api/me")
    clock.advance(int(refused.headers["Retry-After"]))

    assert statuses == [200, 200, 429]
    assert refused.json["code"] == "rate_limited"
    assert refused.headers["Retry-After"] == "30"
    assert client.get("/api/me").status_code == 200


def test_a_new_limit_holds_from_the_next_request_on(app, admin):
    """Somebody who runs wild is slowed down at once."""
    client = make_user(app, "Robot")
    key_id = client.get("/api/me").get_json()["key"]["id"]

    admin.patch(f"/api/keys/{key_id}", json={"requests_per_minute": 1})

    assert [client.get("/api/me").status_code for _ in range(2)] == [200, 429]


def test_a_key_uses_as_many_tokens_as_it_may(app, clock):
    """A call larger than a minute's share is let in, and what it used is worked off."""
    client = make_user(app, "Robot", tokens_per_minute=5)
    first = client.post("/v1/chat/completions", json=ASKED)
    used = first.json["usage"]["total_tokens"]

    refused = client.post("/v1/chat/completions", json=ASKED)
    clock.advance(int(refused.headers["Retry-After"]))

    assert first.status_code == 200
    assert refused.status_code == 429
    assert refused.json["error"]["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) == used * 60 // 5
    assert client.post("/v1/chat/completions", json=ASKED).status_code == 200


def test_a_call_reserves_what_its_answer_may_have(app):
    """Calls that start together must not all pass on what none of them has used yet."""
    client = make_user(app, "Robot", tokens_per_minute=1000)
    asked = {**ASKED, "max_tokens": 993, "stream": True}
    _, standing = _reserved(client, app, asked)

    refused = client.post("/v1/chat/completions", json=ASKED)

    assert (standing.limit, standing.remaining) == (1000, 0)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


def test_a_call_of_several_choices_reserves_all_of_them(app):
    """Each may be as long as the limit says."""
    client = make_user(app, "Robot", tokens_per_minute=1000)
    one, _ = _reserved(client, app, {**ASKED, "max_tokens": 100})
    three, standing = _reserved(client, app, {**ASKED, "max_tokens": 100, "n": 3})
    most, _ = _reserved(make_user(app, "Other", tokens_per_minute=9), app, {**ASKED, "n": 10**30})

    assert three.reservation.tokens - one.reservation.tokens == 200
    assert standing.remaining == 1000 - one.reservation.tokens - three.reservation.tokens
    assert most.reservation.tokens == 9


@pytest.mark.parametrize("path", ["completion", "messages"])
def test_an_answer_that_is_there_says_what_is_left_by_its_bill(app, provided, path):
    """Its reservation is over; a client that went by it would wait for nothing."""
    client = make_user(app, "Robot", tokens_per_minute=1000)
    if path == "completion":
        asked = {"model": "up/echo", "messages": ASKED["messages"], "max_tokens": 5000}
        answer = client.post("/v1/chat/completions", json=asked)
    else:
        chat = make_conversation(client, model="up/echo")
        answer = say(client, chat, "one two", params={"max_tokens": 5000}, stream=False)
    (row,) = client.get("/api/costs/records").json["items"]

    used = row["input_tokens"] + row["output_tokens"]
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(1000 - used)


def test_a_stream_within_a_conversation_says_where_its_key_stands(app, provided):
    """With its reservation: its bill comes after its head."""
    client = make_user(app, "Robot", tokens_per_minute=1000)
    path = f"/api/conversations/{make_conversation(client, model='up/echo')}/messages"

    answer = client.post(path, json={"content": "hi", "params": {"max_tokens": 500}})

    assert 0 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 500


def test_what_is_to_be_embedded_reserves_no_answer(app):
    """There is none, in tokens."""
    client = make_user(app, "Robot", tokens_per_minute=1000)
    with app.app_context():
        principal = authentication.authenticate(client.key)
        reserved = reserve_tokens(principal, 3, {"input": "three short words"})

    assert reserved is not None
    assert reserved.tokens == 3


def test_a_question_that_comes_to_nothing_gives_its_tokens_back(app, monkeypatch):
    """No provider was asked, so that a key may try as often as its requests allow."""
    client = make_user(app, "Robot", tokens_per_minute=600)
    chat = make_conversation(client)
    monkeypatch.setattr(messages, "MAX_MESSAGES", 0)

    refused = [say(client, chat, "hello") for _ in range(4)]

    assert [each.json["code"] for each in refused] == ["conversation_full"] * 4


def test_a_call_that_cannot_be_noted_gives_its_tokens_back(app, monkeypatch):
    """The database was away, say."""
    client = make_user(app, "Robot", tokens_per_minute=600)
    with monkeypatch.context() as patched:
        patched.setattr(calls, "begin_stream", _fail)
        failed = [client.post("/v1/chat/completions", json=ASKED) for _ in range(4)]

    assert [each.status_code for each in failed] == [500] * 4
    assert client.post("/v1/chat/completions", json=ASKED).status_code == 200


def test_answers_under_way_are_counted_exactly(app):
    """However many workers let one in at the same moment."""
    client = make_user(app, "Robot", max_concurrent_streams=3)
    with app.app_context():
        planned = [_planned(client) for _ in range(8)]

    results = together([partial(_is_let_in, app, each) for each in planned])

    assert sorted(results) == [False] * 5 + [True] * 3


def test_another_key_is_not_slowed_down(app, alice):
    """A limit is one key's, not its user's."""
    client = make_user(app, "Robot", requests_per_minute=1)
    client.get("/api/me")

    assert client.get("/api/me").status_code == 429
    assert alice.get("/api/me").status_code == 200
