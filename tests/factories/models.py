"""Providers and what they list."""

from typing import Any

import msgspec

from tests.doubles.api_client import ApiClient
from tests.doubles.wire_server import WireServer, whole

__all__ = ["lists", "make_provider", "models_of"]


def make_provider(admin: ApiClient, url: str, *, provider_id: str = "acme", **fields: Any) -> None:
    """A provider that speaks OpenAI's format."""
    new = {"id": provider_id, "wire_format": "openai", "base_url": url, **fields}
    made = admin.post("/api/providers", json=new)
    assert made.status_code == 201, made.json


def lists(wire: WireServer, *rows: Any) -> None:
    """Have a server list these models, each a name or a whole row, from now on."""
    named = [{"id": each} if isinstance(each, str) else each for each in rows]
    wire.replies([whole(msgspec.json.encode({"data": named}))])


def models_of(admin: ApiClient, provider_id: str = "acme") -> dict[str, Any]:
    """The catalogue's models of a provider by name, each as it is read."""
    path = "/api/models"
    found = admin.get(path, query_string={"provider": provider_id, "limit": 200}).json["items"]
    return {each["name"]: each for each in found}
