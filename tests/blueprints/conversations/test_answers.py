"""A chat as clients meet it: streamed, whole, failing, and what is kept of it."""

import pytest

from tests.factories.chats import events_of, make_conversation, say


def test_an_answer_streams_and_is_kept_before_done_arrives(alice, provided):
    """Text, usage and cost are in the database when the client hears that it is over."""
    chat = make_conversation(alice, model="up/echo")

    answer = say(alice, chat, "good morning")

    events = events_of(answer.data)
    names = [name for name, _ in events]
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert (names[0], names[-2], names[-1]) == ("start", "usage", "done")
    kept = alice.get(f"/api/conversations/{chat}/messages").json["items"][-1]
    assert kept["content"] == "You said: good morning "
    assert kept["status"] == "complete"
    assert kept["usage"]["input_tokens"] == 2
    assert kept["usage"]["output_tokens"] == 4
    assert kept["usage"]["estimated"] is False


def test_the_next_message_sends_the_branch_as_context(alice, provided):
    """The provider sees what was said before, in order, and nothing of other branches."""
    chat = make_conversation(alice, model="up/echo", system_prompt="Be kind.")
    say(alice, chat, "one")

    say(alice, chat, "two")

    sent = provided.requests[-1]["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == "one"
    assert sent[3]["content"] == "two"


def test_without_stream_the_finished_message_is_answered(alice):
    """Programs that want no events get the message itself."""
    chat = make_conversation(alice)

    answer = say(alice, chat, "hello", stream=False)

    assert answer.status_code == 200
    assert answer.json["content"].endswith("You said: hello")
    assert answer.json["usage"]["cost_usd"] == "0"


def test_a_regenerated_answer_is_a_sibling(alice):
    """Nothing said is lost: both answers hang under the same question."""
    chat = make_conversation(alice)
    first = say(alice, chat, "hello", stream=False).json

    path = f"/api/conversations/{chat}/messages/{first['id']}/regenerate"
    second = alice.post(path, json={"stream": False}).json

    assert second["id"] != first["id"]
    assert second["parent_id"] == first["parent_id"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status-400", 400, "provider_rejected"),
        ("status-401", 502, "provider_auth_failed"),
        ("status-429", 429, "provider_rate_limited"),
        ("status-500", 502, "provider_unavailable"),
    ],
)
def test_a_refusal_before_the_first_token_is_a_plain_error(alice, provided, model, status, code):
    """No 200 that turns bad: the caller sees a status, never our key, and a record is kept."""
    chat = make_conversation(alice, model=f"up/{model}")

    answer = say(alice, chat, "hello")

    assert answer.status_code == status
    assert answer.json["code"] == code
    assert "sk-upstream" not in answer.text
    record = alice.get("/api/costs/records").json["items"][0]
    assert (record["status"], record["error_code"]) == ("error", code)
    assert (record["output_tokens"], record["cost_usd"]) == (0, "0")


def test_a_rate_limit_says_when_to_come_back(alice, provided):
    """The provider's own word on when reaches the client."""
    chat = make_conversation(alice, model="up/status-429")

    answer = say(alice, chat, "hello")

    assert answer.headers["Retry-After"] == "11"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("break", "provider_broken"),
        ("malformed", "provider_malformed"),
        ("error-object", "provider_unavailable"),
    ],
)
def test_a_failure_in_mid_stream_ends_in_one_error(alice, provided, model, code):
    """The stream says that it is not complete; the partial text is kept and booked, estimated."""
    chat = make_conversation(alice, model=f"up/{model}")

    events = events_of(say(alice, chat, "hello").data)

    assert events[-1][0] == "error"
    assert events[-1][1]["code"] == code
    assert [name for name, _ in events].count("error") == 1
    assert "done" not in [name for name, _ in events]
    kept = alice.get(f"/api/conversations/{chat}/messages").json["items"][-1]
    assert (kept["status"], kept["content"]) == ("error", "You said: ")
    record = alice.get("/api/costs/records").json["items"][0]
    assert (record["status"], record["is_estimated"]) == ("broken", True)
    assert record["output_tokens"] > 0


def test_an_explicit_zero_usage_is_booked_as_zero(alice, provided):
    """A provider that says zero means zero; it is not taken for missing."""
    chat = make_conversation(alice, model="up/usage-zero")

    say(alice, chat, "hello")

    record = alice.get("/api/costs/records").json["items"][0]
    assert (record["input_tokens"], record["output_tokens"]) == (0, 0)
    assert record["is_estimated"] is False


def test_a_provider_that_says_no_usage_is_estimated(alice, provided):
    """Tokens that nobody counted are estimated, and marked so."""
    chat = make_conversation(alice, model="up/usage-none")

    say(alice, chat, "hello")

    record = alice.get("/api/costs/records").json["items"][0]
    assert record["is_estimated"] is True
    assert record["output_tokens"] > 0


def test_a_code_point_cut_in_two_comes_out_whole(alice, provided):
    """Halves of an emoji over two chunks are one emoji in the database."""
    chat = make_conversation(alice, model="up/surrogate")

    answer = say(alice, chat, "hello", stream=False)

    assert answer.json["content"].startswith("\U0001f600You said")


def test_unknown_prices_are_unpriced_and_never_zero(alice, provided):
    """The double's models are in no price book."""
    chat = make_conversation(alice, model="up/echo")

    events = events_of(say(alice, chat, "hello").data)

    usage = dict(events)["usage"]
    assert usage["cost_usd"] is None
    assert alice.get("/api/costs/records").json["items"][0]["cost_usd"] is None


def test_a_stream_that_has_ended_can_be_read_again(alice):
    """A reload of the page gets the same bytes, and 204 once all was had."""
    chat = make_conversation(alice)
    first = say(alice, chat, "hello")
    stream_id = first.headers["X-Larder-Stream-Id"]
    last = events_of(first.data)
    path = f"/api/streams/{stream_id}"

    again = alice.get(path, headers={"Last-Event-ID": "1"})
    over = alice.get(path, query_string={"after": len(last) - 1})

    assert again.data == first.data[first.data.index(b"id: 2\n") :]
    assert over.status_code == 204


def test_somebody_elses_stream_and_conversation_are_not_there(alice, bob):
    """Knowing an id opens nothing."""
    chat = make_conversation(alice)
    stream_id = say(alice, chat, "hello").headers["X-Larder-Stream-Id"]

    assert say(bob, chat, "hello").status_code == 404
    assert bob.get(f"/api/streams/{stream_id}").status_code == 404
    assert bob.delete(f"/api/streams/{stream_id}").status_code == 404
    assert bob.get(f"/api/conversations/{chat}/messages").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": 5}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "a" * 1_000_001}, "content"),
        ({"content": "a", "stream": "yes"}, "stream"),
        ({"content": "a", "params": {"messages": []}}, "params"),
        ({"content": "a", "params": []}, "params"),
        ({"content": "a", "parent_id": "nothing"}, "parent_id"),
        ({"content": "a", "file_ids": ["nothing"]}, "file_ids"),
        ({"content": "a", "surprise": 1}, "surprise"),
    ],
)
def test_a_question_that_is_not_as_it_must_be_is_refused(alice, body, field):
    """The field that is wrong is named, and nothing is stored."""
    chat = make_conversation(alice)

    answer = alice.post(f"/api/conversations/{chat}/messages", json=body)

    assert answer.status_code == 422
    assert any(name.startswith(field) for name in answer.json["errors"])
    assert alice.get(f"/api/conversations/{chat}/messages").json["items"] == []


def test_an_unknown_model_is_a_404_and_stores_nothing(alice):
    """A typing error in the model's name costs no message."""
    chat = make_conversation(alice, model="demo/nothing")

    answer = say(alice, chat, "hello")

    assert (answer.status_code, answer.json["code"]) == (404, "model_not_found")
    assert alice.get(f"/api/conversations/{chat}/messages").json["items"] == []
