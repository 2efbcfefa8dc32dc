"""What gunicorn serves in `benchmarks.hits`: Larder, and beside it a plain Flask application.

The plain one has no hooks, no keys, no metrics: a bare JSON route, and the same list of rows under
Flask-Caching's `@cached` with RedisCache and with SimpleCache. Requests are told apart by their
path before either application sees them.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, jsonify
from flask_caching import Cache
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from benchmarks.installation import KEY

__all__ = ["LIST", "PLAIN", "app"]

PLAIN = "/plain"
LIST = "/api/conversations?limit=100"
TIMEOUT_S = 3600

app = create_app()
_larder: Callable[..., Iterable[bytes]] = app.wsgi_app


def _rows() -> Any:
    """The list's rows as Python objects, by way of Larder itself."""
    path, _, words = LIST.partition("?")
    headers = Headers({"Authorization": f"Bearer {KEY}", "Cache-Control": "no-store"})
    environ = EnvironBuilder(path=path, query_string=words, headers=headers).get_environ()
    body, status, _ = run_wsgi_app(_larder, environ, buffered=True)
    assert status.startswith("200"), status
    return app.json.loads(b"".join(body))


def _plain() -> Flask:
    plain = Flask("plain", static_folder=None)
    plain.json.sort_keys = False  # type: ignore[attr-defined]  # as Larder's
    url = os.environ["REDIS_URL"]
    in_redis = Cache(plain, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url})
    in_memory = Cache(plain, config={"CACHE_TYPE": "SimpleCache"})

    @plain.get(f"{PLAIN}/bare")
    def bare() -> Response:
        return jsonify(status="ok")

    @plain.get(f"{PLAIN}/redis")
    @in_redis.cached(timeout=TIMEOUT_S)
    def redis_rows() -> Response:
        return jsonify(_rows())

    @plain.get(f"{PLAIN}/simple")
    @in_memory.cached(timeout=TIMEOUT_S)
    def simple_rows() -> Response:
        return jsonify(_rows())

    return plain


_plain_app = _plain().wsgi_app


def _either(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    plain = environ["PATH_INFO"].startswith(PLAIN)
    return (_plain_app if plain else _larder)(environ, start_response)


app.wsgi_app = _either  # type: ignore[method-assign]  # as Flask's documentation has it
