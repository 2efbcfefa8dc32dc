"""Answers within a conversation as services see them: nothing said is lost, whatever comes."""

import msgspec
import pytest

from schemas.answers import Question, Regenerate
from services import answers, authentication
from services.errors import Conflict, Invalid, NotFound, UpstreamFailed
from tests.doubles.wire_server import head
from tests.factories.chats import events_of, make_conversation, say
from tests.factories.files import make_file
from tests.factories.models import make_provider

ON_EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture
def chat(alice):
    """A conversation of hers with the demo."""
    return make_conversation(alice)


@pytest.fixture
def wired(admin, wire):
    """A provider `acme` with a model `m`, whose bytes the test writes down."""
    make_provider(admin, wire.url)
    admin.post("/api/models", json={"id": "acme/m"})
    return wire


def _asked(principal, chat, content="hello", **fields):
    answer = answers.ask(principal, chat, Question(content, **fields))
    return answer, answers.finished_message(answer)


def _messages(client, chat):
    return client.get(f"/api/conversations/{chat}/messages").json["items"]


def _streams(wire, *chunks):
    events = [b"data: %b\n\n" % msgspec.json.encode(each) for each in chunks]
    wire.replies([head("200 OK"), b"".join(events), b"data: [DONE]\n\n"])


def _said(text, reason=None, **delta):
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": reason}
    return {"choices": [choice]}


def test_question_and_answer_are_kept_under_one_another(principal, alice, chat):
    """The answer knows its question, its stream and its model."""
    answer, message = _asked(principal, chat)

    question, kept = _messages(alice, chat)
    assert (question["role"], question["content"]) == ("user", "hello")
    assert kept == message
    assert (kept["id"], kept["parent_id"]) == (answer.call.message_id, question["id"])
    assert (kept["status"], kept["finish_reason"]) == ("complete", "stop")
    assert (kept["model"], kept["stream_id"]) == ("demo/echo", answer.stream.stream_id)


def test_the_question_is_kept_before_the_provider_answers(principal, alice, provided):
    """Also where nothing comes: what was typed is not typed again."""
    chat = make_conversation(alice, model="up/status-500")

    with pytest.raises(UpstreamFailed):
        answers.ask(principal, chat, Question("a long question"))

    question, kept = _messages(alice, chat)
    assert question["content"] == "a long question"
    assert (kept["status"], kept["error_code"]) == ("error", "provider_unavailable")
    assert kept["content"] == ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"parent_id": "nothing"}, "parent_id"),
        ({"file_ids": ["nothing"]}, "file_ids"),
    ],
)
def test_what_is_refused_stores_nothing(principal, alice, chat, fields, field):
    """No half of an exchange stays behind."""
    with pytest.raises(Invalid) as refused:
        answers.ask(principal, chat, Question("x", **fields))

    assert list(refused.value.errors) == [field]
    assert _messages(alice, chat) == []


def test_a_conversation_without_a_model_needs_one_named(principal, alice):
    """Imported ones have none; the question's own counts over the conversation's."""
    chat = make_conversation(alice, model=None)

    with pytest.raises(Invalid) as refused:
        answers.ask(principal, chat, Question("x"))

    assert list(refused.value.errors) == ["model"]
    assert _asked(principal, chat, model="demo/echo")[1]["model"] == "demo/echo"


def test_somebody_elses_conversation_is_not_there(app, bob, alice, chat):
    """Neither to ask in nor to answer again."""
    message = say(alice, chat, "hello", stream=False).json
    with app.app_context():
        stranger = authentication.authenticate(bob.key)
        with pytest.raises(NotFound):
            answers.ask(stranger, chat, Question("x"))
        with pytest.raises(NotFound):
            answers.regenerate(stranger, chat, message["id"], Regenerate())


def test_a_question_may_follow_any_message(principal, alice, provided):
    """Another branch from the middle: the provider sees that branch only."""
    chat = make_conversation(alice, model="up/echo")
    _, first = _asked(principal, chat, "one")
    _asked(principal, chat, "two")

    _asked(principal, chat, "three", parent_id=first["id"])

    sent = [each["content"] for each in provided.requests[-1]["messages"]]
    assert sent == ["one", "You said: one ", "three"]


def test_params_go_to_the_provider_as_they_are(principal, alice, provided):
    """Also those that Larder does not know; that it streams is the conversation's matter."""
    chat = make_conversation(alice, model="up/echo")

    _asked(principal, chat, params={"temperature": 0.5, "tomorrow": [1]})

    sent = provided.requests[-1]
    assert (sent["temperature"], sent["tomorrow"], sent["stream"]) == (0.5, [1], True)


def test_a_file_is_sent_with_its_message_now_and_later(principal, alice, provided):
    """As parts, within the message it belongs to."""
    chat = make_conversation(alice, model="up/echo")
    file_id = make_file(alice, b"notes", "a.txt", "text/plain").json["id"]
    _asked(principal, chat, "look", file_ids=[file_id])

    _asked(principal, chat, "again")

    first = [request["messages"][0]["content"] for request in provided.requests]
    assert first[0] == first[1]
    assert first[0][0] == {"type": "text", "text": "look"}
    assert first[0][1]["text"].endswith("notes")


def test_tool_calls_are_kept_and_told_of(principal, alice, provided):
    """The next call must show the model what it had wanted, and must not be refused for it."""
    chat = make_conversation(alice, model="up/tools")
    _, message = _asked(principal, chat)

    _asked(principal, chat, "and now?", model="up/echo")

    assert message["finish_reason"] == "tool_calls"
    (kept,) = message["tool_calls"]
    assert kept["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    told = '(Called weather with {"city": "Oslo"}.)'
    assert provided.requests[-1]["messages"][1] == {"role": "assistant", "content": told}


def test_thoughts_are_kept_apart_and_not_sent_back(principal, alice, provided):
    """Providers refuse their own reasoning as input, or charge for it."""
    chat = make_conversation(alice, model="up/reasoning")
    answer, message = _asked(principal, chat)

    _asked(principal, chat, "and now?", model="up/echo")

    assert message["reasoning"] == "Let me think. "
    assert "think" not in message["content"]
    assert "think" not in str(provided.requests[-1])
    deltas = [event.data for batch in answer.stream.events().batches() for event in batch]
    assert b'{"reasoning":"Let me think. "}' in deltas


@pytest.mark.parametrize("which", ["question", "answer"])
def test_an_answer_is_given_again_beside_the_first(principal, alice, chat, which):
    """From the answer or from its question; nothing is overwritten."""
    _, first = _asked(principal, chat)
    message_id = first["id"] if which == "answer" else first["parent_id"]

    answer = answers.regenerate(principal, chat, message_id, Regenerate())

    again = answers.finished_message(answer)
    assert again["id"] != first["id"]
    assert again["parent_id"] == first["parent_id"]
    assert len(_messages(alice, chat)) == 3


def test_another_model_may_answer_again(principal, alice, chat, provided):
    """Side by side is how models are compared; the question is sent once."""
    _, first = _asked(principal, chat)

    answer = answers.regenerate(
        principal, chat, first["id"], Regenerate(model="up/echo", params={"seed": 1})
    )

    assert answers.finished_message(answer)["model"] == "up/echo"
    sent = provided.requests[-1]
    assert [each["role"] for each in sent["messages"]] == ["user"]
    assert sent["seed"] == 1


def test_a_message_that_is_not_there_is_not_answered_again(principal, chat):
    """Nor is one of another conversation."""
    with pytest.raises(NotFound):
        answers.regenerate(principal, chat, "nothing", Regenerate())


def test_a_question_under_an_answer_in_the_making_is_refused(principal, alice, provided):
    """The provider would be shown half an answer."""
    chat = make_conversation(alice, model="up/stall")
    answer = answers.ask(principal, chat, Question("hello"))

    with pytest.raises(Conflict):
        answers.ask(principal, chat, Question("and?", parent_id=answer.call.message_id))

    alice.delete(f"/api/streams/{answer.stream.stream_id}")
    assert answer.stream.wait(10).finish_reason == "cancelled"


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
def test_an_answer_that_no_database_stores_as_it_is_is_kept(principal, alice, wired):
    """NUL, half characters, a reason without end: the answer is paid for, so it is kept."""
    tool = {"index": 0, "id": "c", "function": {"name": "f\x00", "arguments": '{"a": "\x00"}'}}
    _streams(
        wired,
        _said("a\x00b", reasoning_content="c\x00d"),
        _said("e", tool_calls=[tool]),
        _said("", "because\x00" * 50),
    )
    chat = make_conversation(alice, model="acme/m")

    _, message = _asked(principal, chat)

    assert (message["content"], message["reasoning"]) == ("abe", "cd")
    assert message["finish_reason"] == ("because" * 50)[:40]
    assert message["tool_calls"][0]["function"]["arguments"] == '{"a": ""}'
    assert alice.get("/api/costs/records").json["items"][0]["status"] == "ok"


def test_an_answer_to_a_deleted_conversation_is_booked(principal, alice, provided):
    """It is stopped, and what came is paid for; the message is gone, and stays so."""
    chat = make_conversation(alice, model="up/slow")
    answer = answers.ask(principal, chat, Question(" ".join(["word"] * 5)))
    assert alice.delete(f"/api/conversations/{chat}").status_code == 204

    answer.stream.wait(10)

    (record,) = alice.get("/api/costs/records").json["items"]
    assert record["status"] == "cancelled"
    assert alice.get(f"/api/conversations/{chat}/messages").status_code == 404


def test_the_closing_events_say_usage_and_cost_once(alice, chat):
    """What the API promises of every stream: usage, then one end."""
    events = events_of(say(alice, chat, "hello").data)

    assert [name for name, _ in events[-2:]] == ["usage", "done"]
    assert events[-2][1] == {
        "input_tokens": 1,
        "output_tokens": 12,
        "cached_tokens": 0,
        "cost_usd": "0",
        "estimated": False,
    }
    assert events[-1][1]["finish_reason"] == "stop"
