"""Conversations and what is said in them."""

from typing import Any

import msgspec

from streams import sse
from tests.doubles.api_client import Answer, ApiClient

__all__ = ["events_of", "make_conversation", "say"]


def make_conversation(client: ApiClient, **fields: Any) -> str:
    """A conversation; its id."""
    made = client.post("/api/conversations", json={"model": "demo/echo", **fields})
    assert made.status_code == 201, made.json
    conversation_id: str = made.json["id"]
    return conversation_id


def say(client: ApiClient, conversation_id: str, content: str, **fields: Any) -> Answer:
    """Say something; the answer as it came."""
    path = f"/api/conversations/{conversation_id}/messages"
    # Read to its end: what follows looks at what was kept of it.
    return client.post(path, json={"content": content, **fields}, buffered=True)


def events_of(body: bytes) -> list[tuple[str, Any]]:
    """The events of a stream: name and decoded data."""
    return [(each.name, msgspec.json.decode(each.data)) for each in sse.parse(body)]
