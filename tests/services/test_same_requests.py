"""Which requests are the same to the response cache: those that ask the same of the same models."""

import pytest

from tests.doubles.anthropic_server import KEY, AnthropicServer
from tests.factories.chats import make_conversation, say

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def claude(admin):
    """A provider of Anthropic's format, with one model."""
    server = AnthropicServer().start()
    new = {"id": "claude", "wire_format": "anthropic", "base_url": server.url, "secret": KEY}
    assert admin.post("/api/providers", json=new).status_code == 201
    assert admin.post("/api/models", json={"id": "claude/echo"}).status_code == 201
    yield server
    server.close()


def _asked(client, model, path=CHAT, **fields):
    """How the cache was met, and which model answered."""
    limit = {"max_tokens": 50} if path == MESSAGES else {}
    body = {"model": model, "messages": HELLO, **limit, "cache": {}, **fields}
    answer = client.post(path, json=body, buffered=True)
    assert answer.status_code == 200, answer.data
    return answer.headers["X-Larder-Cache"], answer.headers["X-Larder-Model"]


def _make_alias(admin, name, *targets, strategy="ordered"):
    """An alias of models, each with its weight."""
    named = [{"model": model, "weight": weight} for model, weight in targets]
    new = {"id": name, "kind": "alias", "strategy": strategy, "targets": named}
    assert admin.post("/api/models", json=new).status_code == 201


def test_the_order_of_an_alias_is_part_of_the_question(admin, alice, provided):
    """Who asks for the large model first wants no answer of the small one's."""
    large, small = ("up/echo", 1), ("up/usage-zero", 1)
    _make_alias(admin, "smart", large, small)
    _make_alias(admin, "quick", small, large)

    assert [_asked(alice, each) for each in ("quick", "smart", "quick", "smart")] == [
        ("miss", "up/usage-zero"),
        ("miss", "up/echo"),
        ("hit", "up/usage-zero"),
        ("hit", "up/echo"),
    ]


def test_what_is_drawn_by_weight_has_one_answer_whatever_is_drawn(admin, alice, provided):
    """But other weights are another choice: a model that is left with none answers no more."""
    _make_alias(admin, "both", ("up/echo", 1), ("up/usage-zero", 1), strategy="weighted")
    first, *later = [_asked(alice, "both") for _ in range(6)]

    targets = [{"model": "up/echo", "weight": 0}, {"model": "up/usage-zero", "weight": 1}]
    admin.patch("/api/models/both", json={"targets": targets})

    assert later == [("hit", first[1])] * 5
    assert _asked(alice, "both") == ("miss", "up/usage-zero")


def test_an_alias_with_one_model_left_asks_what_that_model_is_asked(admin, alice, provided):
    """Its name makes no difference to the answer."""
    _make_alias(admin, "one", ("up/echo", 3), ("up/usage-zero", 1), strategy="weighted")
    admin.patch("/api/models/up/usage-zero", json={"status": "disabled"})
    _asked(alice, "up/echo")

    assert _asked(alice, "one") == ("hit", "up/echo")


def test_the_ledger_names_the_alias_of_a_kept_answer(admin, alice, provided):
    """What was asked for, as in the row of a call; in a conversation as well."""
    _make_alias(admin, "smart", ("up/echo", 1), ("up/usage-zero", 1))
    _asked(alice, "smart")
    _asked(alice, "smart")
    say(alice, make_conversation(alice, model="smart"), "hello", cache={})

    rows = alice.get("/api/costs/records").json["items"]
    assert [(each["status"], each["alias_id"]) for each in rows] == [
        ("cached", "smart"), ("cached", "smart"), ("ok", "smart"),
    ]  # fmt: skip


def test_limits_that_a_model_is_asked_with_are_part_of_the_question(admin, alice, claude):
    """An answer that a lower limit had cut off is not the one of a higher limit."""
    admin.patch("/api/models/claude/echo", json={"max_output_tokens": 5})
    _asked(alice, "claude/echo")

    admin.patch("/api/models/claude/echo", json={"max_output_tokens": 500})

    assert _asked(alice, "claude/echo")[0] == "miss"
    assert [each["max_tokens"] for each in claude.requests] == [5, 500]


def test_what_a_provider_is_asked_counts_and_not_how_it_was_said(admin, alice, provided):
    """A field that Anthropic's clients send and OpenAI's providers are not told is none of it."""
    _asked(alice, "up/echo", MESSAGES, top_k=1)

    assert _asked(alice, "up/echo", max_tokens=50, top_k=1)[0] == "miss"
    assert _asked(alice, "up/echo", max_tokens=50)[0] == "hit"
    assert _asked(alice, "up/echo", MESSAGES)[0] == "hit"


def test_a_question_that_two_formats_hear_differs_by_both(admin, alice, provided, claude):
    """Whichever of an alias's models answers."""
    _make_alias(admin, "any", ("up/echo", 1), ("claude/echo", 1))
    _asked(alice, "any", MESSAGES, top_k=1)

    assert _asked(alice, "any", MESSAGES, top_k=2)[0] == "miss"
    assert _asked(alice, "any", MESSAGES, top_k=1)[0] == "hit"
