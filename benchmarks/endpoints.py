"""Cold, warm and their ratio for each cached end point: `make bench`.

A request goes through the whole WSGI application, authentication included, without a socket. Cold
reads through and refills (`Cache-Control: no-cache`); warm is a hit in memory, or in Redis with the
memory tier off. The three are taken in turn, so that a noisy machine disturbs them alike.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from benchmarks.installation import KEY, fill, installation, redis_url

__all__ = ["main"]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "200"))
SETTLE = 5
QUERIES = {"/api/conversations/search": "q=about"}


@dataclass(frozen=True, slots=True)
class Times:
    """Median seconds of one end point; `redis_s` is `None` where there is no Redis."""

    path: str
    cold_s: float
    memory_s: float
    redis_s: float | None


def cached_paths(app: Flask, ids: dict[str, str]) -> list[str]:
    """Every cached route of `app`, with ids of things that are there."""
    paths = []
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "is_cached", False):
            bound = app.url_map.bind("localhost")
            paths.append(bound.build(rule.endpoint, ids, method="GET", append_unknown=False))
    return sorted(paths)


def request_of(app: Flask, path: str, *, cache_control: str = "") -> Callable[[], str]:
    """A function that makes one request; it returns the answer's Cache-Status."""
    headers = Headers({"Authorization": f"Bearer {KEY}"})
    if cache_control:
        headers["Cache-Control"] = cache_control
    builder = EnvironBuilder(path=path, query_string=QUERIES.get(path, ""), headers=headers)
    environ = builder.get_environ()

    def send() -> str:
        body, status, answered = run_wsgi_app(app.wsgi_app, dict(environ), buffered=True)
        assert status.startswith("200"), (path, status, b"".join(body))
        return answered["Cache-Status"]

    return send


def measure(path: str, memory: Flask, shared: Flask | None) -> Times:
    """Take cold and warm times in turn."""
    requests = [request_of(memory, path, cache_control="no-cache"), request_of(memory, path)]
    if shared is not None:
        requests.append(request_of(shared, path))
    for send in requests * SETTLE:
        status = send()
    assert "hit" in status, (path, status)
    taken: list[list[float]] = [[] for _ in requests]
    for _ in range(ROUNDS):
        for times, send in zip(taken, requests, strict=True):
            began_s = time.perf_counter()
            send()
            times.append(time.perf_counter() - began_s)
    medians = [statistics.median(times) for times in taken]
    return Times(path, medians[0], medians[1], medians[2] if shared is not None else None)


def main() -> None:
    """Measure and print a table."""
    with redis_url() as url, installation(cache_backend="memory") as memory:
        ids = fill(memory)
        redis_fields = {"cache_backend": "redis", "redis_url": url, "cache_memory_first": False}
        if url is None:
            _print([measure(path, memory, None) for path in cached_paths(memory, ids)])
            return
        database = memory.extensions["larder"].settings.sqlalchemy_url
        with installation(database_url=database, **redis_fields) as shared:
            _print([measure(path, memory, shared) for path in cached_paths(memory, ids)])


def _print(rows: list[Times]) -> None:
    click.echo(
        f"Median of {ROUNDS} requests, milliseconds; Python {sys.version.split()[0]}, SQLite"
    )
    head = ("end point", "cold", "memory", "ratio", "Redis", "ratio")
    click.echo(f"{head[0]:<52}{head[1]:>8}{head[2]:>8}{head[3]:>7}{head[4]:>8}{head[5]:>7}")
    for row in rows:
        path = row.path if len(row.path) <= 51 else row.path[:50] + "…"
        line = f"{path:<52}{row.cold_s * 1e3:>8.2f}{row.memory_s * 1e3:>8.2f}"
        line += f"{row.cold_s / row.memory_s:>6.1f}x"
        if row.redis_s is not None:
            line += f"{row.redis_s * 1e3:>8.2f}{row.cold_s / row.redis_s:>6.1f}x"
        click.echo(line)


if __name__ == "__main__":
    main()
