"""What a warm request asks the database: what is fresh, and nothing that the cache knows."""

import re
from dataclasses import replace

import pytest

from config import Settings
from tests.doubles.statements import statements

LOOKED_UP = {
    "api_keys",
    "users",
    "workspaces",
    "workspace_members",
    "models",
    "providers",
    "prices",
    "budgets",
}
"""The tables behind a call's key, permissions, model, provider, price and budgets."""
OWN = {"cache_generations", "streams", "ledger_records"}
"""What a call checks or has just written itself."""
QUESTION = {"model": "up/echo", "messages": [{"role": "user", "content": "good day"}]}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As they are in production: hits are not audited, which would load them again."""
    return replace(settings, cache_audit_share=0.0)


def _read(told: list[str]) -> set[str]:
    """The tables that were selected from."""
    selects = [each for each in told if each.startswith("SELECT")]
    return {table for each in selects for table in re.findall(r"(?:FROM|JOIN) (\w+)", each)}


@pytest.mark.parametrize(
    "path",
    [
        "/api/me",
        "/api/models",
        "/api/models/up/echo",
        "/api/folders",
        "/api/conversations",
        "/api/conversations/search?q=day",
        "/api/keys",
        "/api/files",
        "/api/workspaces",
        "/api/costs/usage",
        "/api/costs/daily",
        "/api/costs/pricing",
    ],
)
def test_a_warm_read_asks_only_what_is_fresh(app, alice, provided, path):
    """One question about the generations, for the key and the answer together."""
    alice.get(path)
    alice.get(path)
    with statements(app) as told:
        answer = alice.get(path)

    assert answer.status_code == 200
    assert len(told) == 1
    assert _read(told) <= {"cache_generations"}  # or, on SQLite, whether anything was committed


def test_a_warm_completion_looks_nothing_up(app, alice, provided):
    """Between the client's request and the provider's stands one small statement."""
    path = "/v1/chat/completions"
    first = alice.post(path, json=QUESTION)
    with statements(app) as told:
        answer = alice.post(path, json=QUESTION)

    assert (first.status_code, answer.status_code) == (200, 200)
    assert "INSERT INTO ledger_records" in " ".join(told)
    assert _read(told) <= OWN


def test_a_completion_leaves_its_users_conversations_in_the_cache(alice, provided):
    """They are two uses of one account; what was spent is stale, what was said is not."""
    paths = ("/api/folders", "/api/conversations", "/api/costs/usage", "/api/streams?active=true")
    for path in paths:
        alice.get(path)

    alice.post("/v1/chat/completions", json=QUESTION)

    states = [alice.get(path).headers["Cache-Status"].split("; ")[1] for path in paths]
    assert states == ["hit", "hit", "fwd=miss", "fwd=miss"]


def test_a_warm_alias_looks_nothing_up(app, admin, alice, provided):
    """Whatever a name stands for is known in one read, and is fresh after a change."""
    path = "/v1/chat/completions"
    targets = [{"model": "up/tools"}, {"model": "up/echo"}]
    new = {"id": "smart", "kind": "alias", "targets": targets}
    admin.post("/api/models", json=new)
    first = alice.post(path, json={**QUESTION, "model": "smart"})
    with statements(app) as told:
        answer = alice.post(path, json={**QUESTION, "model": "smart"})
    admin.patch("/api/models/smart", json={"targets": targets[1:]})

    changed = alice.post(path, json={**QUESTION, "model": "smart"})

    assert _read(told) <= OWN
    named = [each.headers["X-Larder-Model"] for each in (first, answer, changed)]
    assert named == ["up/tools", "up/tools", "up/echo"]


def test_a_warm_chat_looks_none_of_it_up(app, alice, provided):
    """It reads the conversation, which the message before has changed, and nothing else."""
    chat = alice.post("/api/conversations", json={"model": "up/echo"}).get_json()["id"]
    path = f"/api/conversations/{chat}/messages"
    first = alice.post(path, json={"content": "good day"}).get_data(as_text=True)
    with statements(app) as told:
        answer = alice.post(path, json={"content": "good day"}).get_data(as_text=True)

    assert "event: done" in first
    assert "event: done" in answer
    assert _read(told) & LOOKED_UP == set()
    assert _read(told) <= OWN | {"conversations", "messages"}
