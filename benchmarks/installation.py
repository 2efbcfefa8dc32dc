"""An installation to measure: its own folder, its own Redis if there is one, and data in it."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import flask_migrate
import redis
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config import Settings
from database.session import db
from services.startup import prepare

__all__ = ["KEY", "fill", "installation", "redis_url"]

KEY = "lk-benchmark-key-on-this-machine-only"
ROWS = 100
START_S = 10.0


@contextmanager
def redis_url() -> Iterator[str | None]:
    """The URL of a Redis of this run's own, ended with it; `None` where none is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    process = subprocess.Popen((program, *options), stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _await(url)
        yield url
    finally:
        process.terminate()
        process.wait(START_S)


@contextmanager
def installation(**fields: Any) -> Iterator[Flask]:
    """An application on a SQLite file of its own; `fields` are settings."""
    folder = Path(tempfile.mkdtemp(prefix="larder-benchmark-"))
    usual = {"instance_path": folder, "admin_key": KEY, "secret_key": KEY, "log_level": "error"}
    app = create_app(Settings(**{**usual, **fields}))
    try:
        with app.app_context():
            flask_migrate.upgrade()
            prepare()
        yield app
    finally:
        app.extensions["larder_shutdown"](0.0)
        with app.app_context():
            db.engine.dispose()
        shutil.rmtree(folder, ignore_errors=True)


def fill(app: Flask) -> dict[str, str]:
    """Put a busy user's data into `app`, through its own API.

    Returns:
        An id for each name that stands in the routes' paths.
    """
    client = app.test_client()
    for number in range(ROWS):
        _post(client, "/api/folders", {"name": f"Folder {number}"})
        thread = _post(client, "/api/conversations", {"title": f"About {number}"})
    path = f"/api/conversations/{thread['id']}/messages"
    for number in range(ROWS // 4):
        said = {"content": f"What is {number}?", "model": "demo/echo", "stream": False}
        _post(client, path, said)
    workspace = _post(client, "/api/workspaces", {"name": "All of us"})
    return {
        "conversation_id": thread["id"],
        "workspace_id": workspace["id"],
        "user_id": _get(client, "/api/me")["user"]["id"],
        "model_id": "demo/echo",
        "provider_id": "demo",
        "file_id": _upload(client)["id"],
    }


def _post(client: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    answer = client.post(path, json=body, headers=_headers())
    assert answer.status_code < 300, (path, answer.json)
    return answer.json


def _get(client: FlaskClient, path: str) -> Any:
    return client.get(path, headers=_headers()).json


def _upload(client: FlaskClient) -> Any:
    form = {"file": (BytesIO(b"some words"), "words.txt")}
    return client.post("/api/files", data=form, headers=_headers()).json


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


def _await(url: str) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        with suppress(redis.RedisError), redis.Redis.from_url(url) as client:
            client.ping()
            return
        time.sleep(0.02)
    raise TimeoutError(url)
