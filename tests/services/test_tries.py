"""A call over all its tries, from the request to the ledger, over real HTTP."""

from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from cache.namespaces import MODELS, PROVIDERS
from config import Settings
from database.session import read_session
from database.tables.conversations import Stream
from database.tables.models import CatalogueProvider
from services.unit_of_work import unit_of_work
from tests.doubles.wire_server import WireServer, head, whole
from tests.factories.chats import make_conversation, say
from tests.factories.models import make_provider

ASKED = [{"role": "user", "content": "hello"}]
BUSY = [whole(b"{}", "503 Busy")]
FAILED = [whole(b"{}", "500 Failed")]
LIMITED = [whole(b"{}", "429 Slow down", "Retry-After: 3")]
REFUSED = [whole(b'{"error": {"message": "no"}}', "400 Bad")]


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """With retries, as in production, and a circuit that opens early."""
    changed = getattr(request, "param", {})
    return replace(settings, provider_retries=2, provider_circuit_failures=4, **changed)


@pytest.fixture
def two(admin):
    """Two servers whose bytes the test writes down, and an alias for a model of each."""
    servers = {"one": WireServer(), "two": WireServer()}
    for name, server in servers.items():
        make_provider(admin, server.url, provider_id=name)
        admin.post("/api/models", json={"id": f"{name}/m"})
        price = {"price_override": {"rates": {"input": "2", "output": "10"}}}
        admin.patch(f"/api/models/{name}/m", json=price)
        server.replies(_answer(name))
    targets = [{"model": "one/m"}, {"model": "two/m"}]
    made = admin.post("/api/models", json={"id": "smart", "kind": "alias", "targets": targets})
    assert made.status_code == 201, made.json
    yield servers
    for server in servers.values():
        server.close()


def _answer(text):
    """A whole answer; also what a stream's first event may be."""
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    return [whole(msgspec.json.encode({"model": "m-2", "choices": [choice], "usage": usage}))]


def _streams(text, *more):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    event = b"data: %b\n\n" % msgspec.json.encode({"choices": [choice]})
    return [head("200 OK"), *more, event, b"data: [DONE]\n\n"]


def _complete(client, model="smart", *, stream=False):
    body = {"model": model, "messages": ASKED, "stream": stream}
    return client.post("/v1/chat/completions", json=body)


def _rows(client):
    """The ledger, oldest first."""
    rows = client.get("/api/costs/records").json["items"]
    return sorted(rows, key=lambda row: (row["attempt_of"] is None, row["id"]))


def test_a_hiccup_is_not_the_callers(alice, two, clock):
    """Two refusals, then an answer: three rows, of which one costs."""
    two["one"].replies(BUSY, LIMITED, _answer("at last"))

    answer = _complete(alice, "one/m")

    assert answer.json["choices"][0]["message"]["content"] == "at last"
    assert answer.headers["X-Larder-Model"] == "one/m"
    *tries, final = _rows(alice)
    assert [(each["status"], each["cost_usd"]) for each in tries] == [("error", "0")] * 2
    assert {each["attempt_of"] for each in tries} == {final["call_id"]}
    assert [each["error_code"] for each in tries] == [
        "provider_unavailable",
        "provider_rate_limited",
    ]
    assert (final["status"], final["cost_usd"], final["attempt_of"]) == ("ok", "0.003", None)
    assert final["alias_id"] is None


def test_a_try_whose_end_was_never_seen_is_booked_with_its_prompt(alice, two, clock):
    """The connection was lost: whoever had the request may charge for it."""
    two["one"].replies([b"", b""], _answer("at last"))

    _complete(alice, "one/m")

    lost, final = _rows(alice)
    assert (lost["status"], lost["error_code"]) == ("error", "provider_unavailable")
    assert (lost["input_tokens"], lost["output_tokens"], lost["is_estimated"]) == (3, 0, True)
    assert lost["cost_usd"] == "0.000006"
    assert (final["status"], final["is_estimated"]) == ("ok", False)


@pytest.mark.parametrize("stream", [True, False])
def test_an_alias_falls_to_its_next_and_names_who_answered(alice, two, stream):
    """In the headers, and in the ledger, where the failed tries stand as the first one's."""
    two["one"].replies(FAILED)
    two["two"].replies(_streams("second") if stream else _answer("second"))

    answer = _complete(alice, stream=stream)

    assert b"second" in answer.data
    assert answer.headers["X-Larder-Model"] == "two/m"
    *tries, final = _rows(alice)
    assert [each["model_id"] for each in tries] == ["one/m"] * 3
    assert (final["model_id"], final["provider_id"], final["alias_id"]) == (
        "two/m",
        "two",
        "smart",
    )
    assert {each["alias_id"] for each in tries} == {"smart"}


def test_whoever_ends_a_lost_stream_finds_what_was_asked_for_and_who_answers(app, alice, two):
    """The worker that knew it is gone; the ledger is to say both."""
    two["one"].replies(FAILED)
    two["two"].replies(_streams("second"))

    _complete(alice, stream=True).get_data()

    with app.app_context(), read_session() as session:
        stream = session.scalars(select(Stream)).one()
    assert (stream.alias_id, stream.model_id) == ("smart", "two/m")


@pytest.mark.parametrize("settings", [{"provider_first_token_timeout_s": 0.5}], indirect=True)
def test_a_model_that_only_pings_is_left_for_the_next(alice, two):
    """Signs of life are no answer, however many come."""
    two["one"].replies([head("200 OK"), *[b": ping\n\n", 0.1] * 100])
    two["two"].replies(_streams("second"))

    answer = _complete(alice, stream=True)

    assert b"second" in answer.data
    lost, final = _rows(alice)
    assert (lost["model_id"], lost["error_code"]) == ("one/m", "provider_timeout")
    assert lost["is_estimated"] is True
    assert (final["model_id"], final["status"]) == ("two/m", "ok")


def test_a_conversation_says_who_answered(alice, two):
    """The first event, and the message that is kept."""
    two["one"].replies(FAILED)
    two["two"].replies(_streams("second"))
    chat = make_conversation(alice, model="smart")

    stream = say(alice, chat, "hello").get_data(as_text=True)

    assert '"model":"two/m"' in stream.partition("\n\n")[0] + stream
    assert stream.count("event: start") == 1
    (_, answer) = alice.get(f"/api/conversations/{chat}/messages").json["items"]
    assert (answer["model"], answer["content"]) == ("two/m", "second")


def test_a_failure_after_the_first_token_stays_one(alice, two):
    """Half an answer of one model is not finished by another."""
    half = b'data: {"choices": [{"delta": {"content": "half"}}]}\n\n'
    two["one"].replies([head("200 OK"), half, b""])

    answer = _complete(alice, stream=True)

    assert b"half" in answer.data
    assert b"provider_broken" in answer.data
    assert two["two"].requests == []
    (row,) = _rows(alice)
    assert (row["status"], row["model_id"]) == ("broken", "one/m")


def test_an_error_before_the_first_token_is_not_after_it(alice, two):
    """Though the first had accepted, said its role, and counted."""
    error = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    role = (
        b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}],'
        b' "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}\n\n'
    )
    two["one"].replies([head("200 OK"), role, error])
    two["two"].replies(_streams("second"))

    answer = _complete(alice, stream=True)

    assert b"second" in answer.data
    assert b"assistant" not in answer.data
    *tries, _ = _rows(alice)
    assert [(each["input_tokens"], each["cost_usd"]) for each in tries] == [(1000, "0.002")] * 3


def test_a_request_at_fault_is_told_at_once(alice, two):
    """With the words of the one that found it so; nobody else is asked."""
    two["one"].replies(REFUSED)

    answer = _complete(alice)

    assert (answer.status_code, answer.json["error"]["message"]) == (400, "no")
    assert two["two"].requests == []
    assert len(_rows(alice)) == 1


def test_a_chain_that_fails_altogether_says_the_last_ones_words(alice, two):
    """And its row is the call's own."""
    two["one"].replies(FAILED)
    two["two"].replies([whole(b"{}", "401 No")])

    answer = _complete(alice)

    assert answer.status_code == 502
    *tries, final = _rows(alice)
    assert (len(tries), final["model_id"], final["error_code"]) == (
        3,
        "two/m",
        "provider_auth_failed",
    )


def test_a_provider_that_is_not_there_costs_no_row_but_the_last(admin, alice, two):
    """Nothing was sent: nobody can have charged for it."""
    two["one"].close()

    answer = _complete(alice)

    assert answer.headers["X-Larder-Model"] == "two/m"
    assert [each["model_id"] for each in _rows(alice)] == ["two/m"]


def test_an_open_circuit_answers_at_once_and_a_chain_passes_it_over(alice, admin, two, clock):
    """503 with Retry-After for the model itself; the alias goes to its next without a try."""
    two["one"].replies(FAILED)
    for _ in range(2):
        _complete(alice, "one/m")
    asked = len(two["one"].requests)

    refused = _complete(alice, "one/m")
    passed = _complete(alice)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "15")
    assert refused.json["error"]["code"] == "provider_circuit_open"
    assert passed.headers["X-Larder-Model"] == "two/m"
    assert len(two["one"].requests) == asked == 4
    circuit = admin.get("/api/providers/one").json["circuit"]
    assert (circuit["state"], circuit["reason"]) == ("open", "provider_unavailable")
    figures = admin.get("/metrics").get_data(as_text=True)
    assert 'larder_provider_circuits_open{provider="one"} 1.0' in figures
    assert 'code="provider_circuit_open",next="fallback",provider="one"' in figures


def test_a_circuit_closes_by_a_probe_or_a_check(alice, admin, two, clock):
    """After its pause one call is let through; an admin need not wait for that."""
    two["one"].replies(FAILED)
    for _ in range(2):
        _complete(alice, "one/m")
    opened = admin.get("/api/providers/one")
    clock.advance(15)
    half = admin.get("/api/providers/one").json["circuit"]["state"]
    two["one"].replies(_answer("back"))

    answer = _complete(alice, "one/m")

    closed = admin.get("/api/providers/one")
    assert (opened.json["circuit"]["state"], half) == ("open", "half_open")
    assert answer.status_code == 200
    assert closed.json["circuit"] == {
        "state": "closed",
        "opened_at": None,
        "retry_at": None,
        "reason": None,
    }
    assert opened.headers["ETag"] != closed.headers["ETag"]


def test_a_circuit_makes_no_version_of_its_provider(alice, admin, two):
    """An admin can mend a provider while it is away, with the version that was read."""
    two["one"].replies(FAILED)
    for _ in range(2):
        _complete(alice, "one/m")
    seen = admin.get("/api/providers/one")
    again = admin.get("/api/providers/one", headers={"If-None-Match": seen.headers["ETag"]})

    mended = admin.patch(
        "/api/providers/one",
        json={"base_url": two["two"].url},
        headers={"If-Match": seen.headers["ETag"]},
    )

    assert again.status_code == 304
    assert mended.status_code == 200
    assert _complete(alice, "one/m").status_code == 200


def test_a_refusal_after_waits_leaves_no_stream_behind(alice, two):
    """What came of the last try is what the caller is told."""
    two["one"].replies(LIMITED, LIMITED, REFUSED)

    answer = _complete(alice, "one/m", stream=True)

    assert answer.status_code == 400
    assert alice.get("/api/streams").json["items"] == []


def test_a_secret_that_cannot_be_read_is_no_reason_to_stop(admin, alice, two, app):
    """The next of the alias answers; asked for itself, the model's provider says what is wrong."""
    with app.app_context(), unit_of_work() as work:
        work.session.get_one(CatalogueProvider, "one").encrypted_secret = "of another key"
        work.invalidates(PROVIDERS.all(), MODELS.all())

    passed, refused = _complete(alice), _complete(alice, "one/m")

    assert passed.headers["X-Larder-Model"] == "two/m"
    assert (refused.status_code, refused.json["error"]["code"]) == (502, "provider_auth_failed")
    assert two["one"].requests == []
