"""No scope is hot: what one user's requests bump, another's do not, but for one stripe of many."""

from io import BytesIO

import pytest
from sqlalchemy import select

from database.generations import CacheGeneration
from database.session import read_session
from tests.factories.chats import make_conversation, say

QUESTION = {"model": "demo/echo", "messages": [{"role": "user", "content": "good day"}]}


def _rows(app):
    with app.app_context(), read_session() as session:
        return dict(
            session.execute(select(CacheGeneration.scope, CacheGeneration.generation)).all()
        )


def _chat(client):
    assert say(client, make_conversation(client), "good day").status_code == 200


def _complete(client):
    assert client.post("/v1/chat/completions", json=QUESTION).status_code == 200


def _folder(client):
    assert client.post("/api/folders", json={"name": "Trips"}).status_code == 201


def _file(client):
    upload = {"file": (BytesIO(b"words"), "a.txt")}
    answer = client.post("/api/files", data=upload, content_type="multipart/form-data")
    assert answer.status_code == 201


def _raised(app, act, client):
    before = _rows(app)
    act(client)
    return {name for name, found in _rows(app).items() if found != before.get(name)}


@pytest.mark.parametrize("act", [_chat, _complete, _folder, _file])
def test_two_users_requests_share_no_row_but_of_a_striped_scope(app, alice, bob, act):
    """Twelve writers of one row are a third as fast as twelve of their own."""
    act(alice)
    act(bob)
    hers, his = _raised(app, act, alice), _raised(app, act, bob)

    assert hers
    assert {each for each in hers & his if "#" not in each} == set()


def test_a_chat_bumps_its_users_conversations_and_figures(app, alice):
    """Three rows of the user's own, and one stripe of the figures over everyone."""
    raised = _raised(app, _chat, alice)

    stripes = {each for each in raised if "#" in each}
    own = {f"{each}:{alice.user_id}" for each in ("analytics", "conversations", "streams")}
    assert raised - stripes == own
    assert all(each.startswith("analytics:everyone#") for each in stripes)
