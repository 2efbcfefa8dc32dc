"""The protocols behind HTTP, for gunicorn: `/<protocol>/<key>`, GET a number or PUT one."""

import os
from pathlib import Path

import redis
from flask import Flask, request  # noqa: TID251 (an edge of its own)
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.oracles.protocols import PROTOCOLS

__all__ = ["app"]

DATABASE, REDIS_PORT, PAUSE_S = "ORACLE_DATABASE", "ORACLE_REDIS_PORT", 0.01


def _make() -> Flask:
    made = Flask(__name__)
    environ = os.environ  # noqa: TID251 (the tests' own)
    client = redis.Redis(
        port=int(environ[REDIS_PORT]),
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )
    database = Path(environ[DATABASE])
    protocols = {name: protocol(database, client, PAUSE_S) for name, protocol in PROTOCOLS.items()}

    @made.get("/<name>/<key>")
    def read(name: str, key: str) -> str:
        return str(protocols[name].read(f"{name}:{key}"))

    @made.put("/<name>/<key>")
    def write(name: str, key: str) -> str:
        protocols[name].write(f"{name}:{key}", int(request.get_data()))
        return ""

    return made


app = _make()
