"""Requests for cached routes, in front of Flask and the whole way."""

from io import BytesIO
from typing import Any

from flask import Flask
from werkzeug.test import Client

from tests.doubles.api_client import ApiClient

__all__ = ["answers", "cached_paths", "warmed", "whole_way"]

QUERIES = {"/api/conversations/search": "?q=day"}


def cached_paths(app: Flask, client: ApiClient) -> list[str]:
    """Every route of `app` whose answers are cached, with ids of things that `client` may see."""
    chat = client.post("/api/conversations", json={"title": "A day out", "model": "demo/echo"})
    chat_id = chat.json["id"]
    said = {"content": "Good day", "stream": False}
    client.post(f"/api/conversations/{chat_id}/messages", json=said)
    client.post("/api/folders", json={"name": "Trips"})
    form = {"file": (BytesIO(b"some words"), "words.txt")}
    ids = {
        "conversation_id": chat_id,
        "workspace_id": client.post("/api/workspaces", json={"name": "All of us"}).json["id"],
        "file_id": client.post("/api/files", data=form).json["id"],
        "user_id": client.get("/api/me").json["user"]["id"],
        "model_id": "demo/echo",
        "provider_id": "demo",
    }
    bound = app.url_map.bind("localhost")
    paths = [
        bound.build(rule.endpoint, ids, method="GET", append_unknown=False)
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "is_cached", False)
    ]
    return [path + QUERIES.get(path, "") for path in sorted(paths)]


def whole_way(app: Flask) -> Any:
    """The WSGI application behind the layer that sends hits."""
    return app.wsgi_app.behind  # type: ignore[attr-defined]  # the front's


def answers(application: Any, key: str, paths: list[str], **headers: str) -> dict[str, Any]:
    """Status, headers and body of a GET of each path; but for the date, the machine's own."""
    client = Client(application)
    sent = {"Authorization": f"Bearer {key}", "X-Request-Id": "the-same", **headers}
    found = {path: client.get(path, headers=sent) for path in paths}
    return {
        path: (each.status, sorted(pair for pair in each.headers if pair[0] != "Date"), each.data)
        for path, each in found.items()
    }


def warmed(client: ApiClient, path: str, **headers: str) -> Any:
    """A hit that went the whole way, so that the next of its kind is sent in front."""
    client.get(path, headers=headers)
    return client.get(path, headers=headers)
