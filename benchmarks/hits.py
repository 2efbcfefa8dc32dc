"""Hits over real sockets: requests a second and CPU time of each, side by side: `make bench`.

A list of 100 conversations from Larder (key checked, generations read), from memory and from Redis,
beside a bare Flask JSON route on the same gunicorn, the same list uncached, and the same rows under
Flask-Caching's `@cached`. Two servers run at a time, one with the memory tier first, one without;
all routes are measured in turn, several rounds long, and the medians count.

`python -m benchmarks.hits [gevent|gthread …]`; `BENCH_SECONDS` and `BENCH_HIT_ROUNDS` say how long.
"""

import os
import platform
import statistics
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.installation import KEY, fill, installation, redis_url
from benchmarks.load import Load, Order, load_process
from benchmarks.serving import WORKERS, Server, folder, serving

__all__ = ["main"]

LIST = "/api/conversations?limit=100"
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("BENCH_HIT_ROUNDS", "5"))
CONNECTIONS = 16
SETTLE_S = 0.5
WORKER_CLASSES = ("gevent", "gthread")
BARE, MEMORY, REDIS, UNCACHED = "bare JSON route", "hit, memory", "hit, Redis", "uncached"
FC_REDIS, FC_SIMPLE = "Flask-Caching, RedisCache", "Flask-Caching, SimpleCache"
STATUS = {MEMORY: "detail=memory", REDIS: "detail=redis", UNCACHED: "fwd=bypass"}


@dataclass(frozen=True, slots=True)
class Goal:
    """One ratio of two routes' throughput, and the least it is to be."""

    of: str
    to: str
    least: float


GOALS = (
    Goal(MEMORY, BARE, 0.75),
    Goal(MEMORY, UNCACHED, 8),
    Goal(REDIS, BARE, 0.6),
    Goal(REDIS, FC_REDIS, 1.3),
)


@dataclass(slots=True)
class Route:
    """One route, the server it is asked of, and what was measured."""

    name: str
    server: Server
    order: Order
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p50_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)


@contextmanager
def servers(worker_class: str, url: str, instance: Path) -> Iterator[tuple[Server, Server]]:
    """One server with the memory tier first, one without, on one database and one Redis."""
    shared = {
        "REDIS_URL": url, "CACHE_BACKEND": "redis",
        "LARDER_ADMIN_KEY": KEY, "LARDER_SECRET_KEY": KEY,
        # A busy machine is not to be taken for a Redis that is away.
        "CACHE_REDIS_CONNECT_TIMEOUT": "5", "CACHE_REDIS_TIMEOUT": "5",
    }  # fmt: skip
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                serving(
                    worker_class,
                    instance,
                    {**shared, "CACHE_MEMORY_FIRST": first},
                    application="benchmarks.served:app",
                )
            )
            for first in ("true", "false")
        ]
        yield started[0], started[1]


def routes_of(memory: Server, shared: Server) -> list[Route]:
    """What is measured, in the order of a round."""
    key = (("Authorization", f"Bearer {KEY}"),)

    def route(name: str, server: Server, path: str, headers: tuple[tuple[str, str], ...]) -> Route:
        return Route(name, server, Order(server.port, path, headers, CONNECTIONS, SECONDS))

    return [
        route(BARE, memory, "/plain/bare", ()),
        route(MEMORY, memory, LIST, key),
        route(REDIS, shared, LIST, key),
        route(FC_REDIS, memory, "/plain/redis", ()),
        route(FC_SIMPLE, memory, "/plain/simple", ()),
        route(UNCACHED, memory, LIST, (*key, ("Cache-Control", "no-store"))),
    ]


def measure(route: Route, load: Load) -> None:
    """Take one round of one route."""
    before_s = route.server.cpu_s()
    taken = load.run(route.order)
    spent_s = route.server.cpu_s() - before_s
    route.per_second.append(taken.per_second)
    route.cpu_us.append(spent_s / taken.requests * 1e6)
    route.p50_s.append(taken.p50_s)
    route.p99_s.append(taken.p99_s)


def _settle(route: Route, load: Load) -> None:
    order = route.order
    load.run(Order(order.port, order.path, order.headers, order.connections, SETTLE_S))
    _check(route)


def _check(route: Route) -> None:
    """What is measured is what its name says."""
    order = route.order
    url = f"http://127.0.0.1:{order.port}{order.path}"
    asked = urllib.request.Request(url, headers=dict(order.headers))
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 (likewise)
        said = answer.headers.get("Cache-Status", "")
    assert said.endswith(STATUS.get(route.name, "")), (route.name, said)


def run(worker_class: str, url: str, instance: Path, load: Load) -> None:
    """Measure all routes on one kind of worker and print them."""
    with servers(worker_class, url, instance) as (memory, shared):
        routes = routes_of(memory, shared)
        for route in routes:
            _settle(route, load)
        for _ in range(ROUNDS):
            for route in routes:
                measure(route, load)
        for route in routes:
            _check(route)
    _print(worker_class, {route.name: route for route in routes})


def _print(worker_class: str, routes: Mapping[str, Route]) -> None:
    bare = statistics.median(routes[BARE].per_second)
    bare_us = statistics.median(routes[BARE].cpu_us)
    click.echo(
        f"\n{worker_class}, {WORKERS} workers, {CONNECTIONS} connections, "
        f"median of {ROUNDS} rounds of {SECONDS:g} s"
    )
    head = ("route", "requests/s", "/ bare", "CPU µs", "/ bare", "p50 ms", "p99 ms")
    click.echo(f"{head[0]:<28}" + "".join(f"{word:>11}" for word in head[1:]))
    for name, route in routes.items():
        rate, cpu_us = statistics.median(route.per_second), statistics.median(route.cpu_us)
        click.echo(
            f"{name:<28}{rate:>11.0f}{rate / bare:>11.2f}{cpu_us:>11.0f}{cpu_us / bare_us:>11.2f}"
            f"{statistics.median(route.p50_s) * 1e3:>11.2f}"
            f"{statistics.median(route.p99_s) * 1e3:>11.2f}"
        )
    for goal in GOALS:
        pairs = zip(routes[goal.of].per_second, routes[goal.to].per_second, strict=True)
        ratio = statistics.median(one / other for one, other in pairs)
        word = "reached" if ratio >= goal.least else "missed"
        click.echo(f"  {goal.of} / {goal.to}: {ratio:.2f} (goal {goal.least:g}, {word})")


def main() -> None:
    """Measure on each kind of worker named, or on all."""
    worker_classes = sys.argv[1:] or WORKER_CLASSES
    click.echo(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, SQLite")
    with redis_url() as url, folder() as instance, load_process() as load:
        if url is None:
            sys.exit("There is no redis-server: hits in Redis cannot be measured.")
        with installation(instance_path=instance, cache_backend="memory") as app:
            fill(app)
        instance.mkdir(exist_ok=True)
        for worker_class in worker_classes:
            run(worker_class, url, instance, load)


if __name__ == "__main__":
    main()
