"""Other people's conversations are not there, at every end point."""

import pytest

from tests.factories.conversations import make_conversation

ENDPOINTS = [
    ("GET", "/api/conversations/{thread}", None),
    ("PATCH", "/api/conversations/{thread}", {"title": "Mine"}),
    ("DELETE", "/api/conversations/{thread}", None),
    ("GET", "/api/conversations/{thread}/messages", None),
    ("GET", "/api/conversations/{thread}/messages?leaf_id={message}", None),
    ("POST", "/api/conversations/{thread}/messages", {"content": "Hi", "model": "demo/echo"}),
    ("PATCH", "/api/conversations/{thread}/messages/{message}", {"content": "Mine"}),
    ("POST", "/api/conversations/{thread}/messages/{message}/regenerate", {"model": "demo/echo"}),
    ("GET", "/api/conversations/{thread}/export", None),
    ("GET", "/api/conversations/{thread}/export?format=markdown", None),
]


@pytest.fixture
def ids(app, alice):
    """A conversation of Alice's, with a message, and warm."""
    with app.app_context():
        thread = make_conversation(alice.user_id, "Secret", ["secret"])
    message = alice.get(f"/api/conversations/{thread}/messages").json["items"][0]["id"]
    alice.get(f"/api/conversations/{thread}")
    return {"thread": thread, "message": message}


@pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS)
def test_somebody_elses_conversation_is_not_there(alice, bob, ids, method, path, body):
    """It cannot be told from one that does not exist, and nothing of it changes."""
    before = alice.get(f"/api/conversations/{ids['thread']}/messages").json

    foreign = bob.open(method, path.format(**ids), json=body)
    nothing = bob.open(method, path.format(thread="none", message="none"), json=body)

    assert foreign.status_code == nothing.status_code == 404
    assert b"ecret" not in foreign.data
    assert foreign.json["title"] == nothing.json["title"]
    assert alice.get(f"/api/conversations/{ids['thread']}/messages").json == before


@pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS)
def test_without_a_key_nothing_is_answered(client, ids, method, path, body):
    """Whether it is there or not."""
    answer = client.open(path.format(**ids), method=method, json=body)

    assert answer.status_code == 401


def test_a_message_cannot_be_reached_through_another_conversation(app, bob, ids):
    """One's own conversation is no door to a foreign message."""
    with app.app_context():
        own = make_conversation(bob.user_id, "Mine", ["x"])

    path = f"/api/conversations/{own}/messages"

    assert bob.get(f"{path}?leaf_id={ids['message']}").status_code == 404
    assert bob.patch(f"{path}/{ids['message']}", json={"content": "x"}).status_code == 404
    question = {"content": "Hi", "model": "demo/echo", "parent_id": ids["message"]}
    assert bob.post(path, json=question).status_code in {404, 422}


def test_a_viewer_reads_and_changes_nothing(app, alice):
    """Something that one may see but not do is a 403."""
    made = alice.post("/api/keys", json={"name": "reader", "scopes": ["conversations:read"]})
    headers = {"Authorization": f"Bearer {made.json['secret']}"}
    client = app.test_client()

    assert client.get("/api/conversations", headers=headers).status_code == 200
    assert client.post("/api/conversations", headers=headers).status_code == 403
    assert client.post("/api/conversations/import", json={}, headers=headers).status_code == 403
