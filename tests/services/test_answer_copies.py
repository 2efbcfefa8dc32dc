"""Copies of answers: of those that were kept, and of those that are being made."""

import threading

import pytest

from providers.protocol import Chunk, ProviderBroken, Usage
from services import authentication
from services.answer_copies import AnswerCopy, FollowedChunks, KeptChunks
from services.response_cache import KeptAnswer, KeptPiece
from services.unit_of_work import unit_of_work
from streams.events import Event
from streams.outcome import Outcome
from telemetry.ids import new_id
from tests.factories.chats import events_of, make_conversation, say
from tests.factories.costs import MODEL, book_alone, make_call, make_price
from tests.factories.users import make_user

USAGE = b'{"input_tokens":7,"output_tokens":5,"cached_tokens":3,"cost_usd":"1","estimated":true}'
HELLO = [Event(0, "delta", b'{"text":"Hel"}'), Event(1, "delta", b'{"text":"lo"}')]
DONE = Event(3, "done", b'{"message_id":"m","finish_reason":"stop"}', terminal=True)
STOPPED = Event(3, "done", b'{"message_id":"m","finish_reason":"cancelled"}', terminal=True)
FAILED = Event(3, "error", b'{"detail":"It went away."}', terminal=True)


def _kept(*texts):
    pieces = [KeptPiece(text=each) for each in texts]
    return KeptAnswer(
        call_id="a", created_s=0, kept_s=0.0, model_id="demo/echo", provider_id="demo",
        is_streamed=True, is_estimated=True, usage=Usage(1, 2),
        pieces=[*pieces, KeptPiece(finish_reason="stop", usage=True)],
    )  # fmt: skip


def test_a_kept_answer_comes_at_once_with_its_bounds():
    """All of it is there: readers are woken once."""
    chunks = list(KeptChunks(_kept("Hel", "lo")))

    assert [each.text for each in chunks] == ["Hel", "lo", ""]
    assert [each.is_followed for each in chunks] == [True, True, False]
    assert (chunks[-1].usage, chunks[-1].finish_reason) == (Usage(1, 2), "stop")


def test_a_followed_answer_comes_as_it_is_made():
    """What came together is handed on together; heartbeats are nothing."""
    followed = FollowedChunks([HELLO, [], [Event(2, "usage", USAGE), DONE]])

    chunks = list(followed)

    assert [each.text for each in chunks] == ["Hel", "lo", "", ""]
    assert [each.is_followed for each in chunks[:2]] == [True, False]
    assert chunks[2:] == [
        Chunk(usage=Usage(7, 5, cached_tokens=3)),
        Chunk(finish_reason="stop"),
    ]
    assert followed.is_estimated


@pytest.mark.parametrize(
    ("last", "words"),
    [([STOPPED], "stopped"), ([FAILED], "It went away"), ([], "no longer be followed")],
)
def test_a_followed_answer_that_ends_early_is_no_answer(last, words):
    """Nobody takes half of one for the whole."""
    followed = FollowedChunks([HELLO, last])

    assert [next(followed).text for _ in HELLO] == ["Hel", "lo"]
    with pytest.raises(ProviderBroken, match=words):
        next(followed)


def test_a_copy_that_is_left_reads_no_further():
    """Whoever stops it does not wait for the other's provider."""
    followed = FollowedChunks([HELLO, [DONE]])
    next(followed)

    followed.close()

    assert list(followed) == []


def test_a_copy_of_a_running_call_saves_all_that_the_call_costs(app, alice, clock):
    """Also the tokens that the events do not name: thoughts, and what was written to the cache."""
    make_price(app, reasoning="90", cache_write="20")
    used = Usage(100, 50, cached_tokens=10, cache_write_tokens=20, reasoning_tokens=30)
    call = make_call(alice.user_id, clock.now(), usage=used)
    with app.app_context():
        cost_usd = book_alone(call)["cost_usd"]
        copy = AnswerCopy(
            call_id=new_id(), principal=authentication.authenticate(alice.key),
            copy_of=call.call_id, model_id=MODEL, answer=FollowedChunks([]),
            endpoint="messages", called_at=clock.now(),
        )  # fmt: skip
        seen = Usage(100, 50, cached_tokens=10)
        close = copy.closing(Outcome(finish_reason="stop", usage=seen))
        with unit_of_work() as work:
            bill = close(work)

    saving = alice.get("/api/costs/records?status=cached").json["items"][0]
    assert saving["saved_usd"] == str(cost_usd.normalize())
    assert bill.usage == seen


def test_a_copy_that_is_stopped_saves_nothing(alice, provided):
    """The other's answer goes on; this one keeps what it had."""
    chats = [make_conversation(alice, model="up/slow") for _ in range(2)]
    path = "/api/conversations/{}/messages"
    asked = {"content": " ".join(["word"] * 40), "cache": {}}
    first = alice.post(path.format(chats[0]), json=asked)
    copy = alice.post(path.format(chats[1]), json=asked)

    alice.delete(f"/api/streams/{copy.headers['X-Larder-Stream-Id']}")

    assert copy.headers["X-Larder-Cache"] == "coalesced"
    assert events_of(copy.data)[-1][1]["finish_reason"] == "cancelled"
    assert events_of(first.data)[-1][1]["finish_reason"] == "stop"
    (record,) = alice.get("/api/costs/records").json["items"]
    assert record["status"] == "ok"


def test_a_copy_is_stopped_while_the_other_pauses(alice, provided):
    """Its reader is not held until the other's provider goes on."""
    chats = [make_conversation(alice, model="up/stall") for _ in range(2)]
    path = "/api/conversations/{}/messages"
    first, copy = [
        alice.post(path.format(each), json={"content": "hello", "cache": {}}) for each in chats
    ]
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(copy.data))
    reader.start()

    alice.delete(f"/api/streams/{copy.headers['X-Larder-Stream-Id']}")
    reader.join(10)

    assert events_of(read[0])[-1][1]["finish_reason"] == "cancelled"
    running = [each["id"] for each in alice.get("/api/streams").json["items"]]
    assert running == [first.headers["X-Larder-Stream-Id"]]


def test_a_copy_may_be_one_too_many_for_its_key(app, provided):
    """It is an answer under way like any other."""
    client = make_user(app, "Robot", max_concurrent_streams=1)
    first, busy, again = [make_conversation(client, model="up/slow") for _ in range(3)]
    path = "/api/conversations/{}/messages"
    say(client, first, "hello", cache={})
    running = client.post(path.format(busy), json={"content": "word " * 40})

    refused = client.post(path.format(again), json={"content": "hello", "cache": {}})

    assert running.status_code == 200
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_streams")
    assert events_of(running.data)[-1][0] == "done"
