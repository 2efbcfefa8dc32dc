"""128 readers at one cold key: how often it is loaded, and when the last reader has its answer.

Four worker processes with 32 threads each, set off together; the load takes a fifth of a second.
Beside Larder's engine with its lease in Redis, with its file locks while Redis is away, and with
neither: Flask-Caching's RedisCache, as `@cached` uses it.
"""

import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_caching import Cache

from benchmarks.engines import make_call, make_engine
from benchmarks.installation import redis_url
from cache.file_locks import FileLocks

__all__ = ["main"]

WORKERS = 4
THREADS = 32
LOAD_S = 0.2
ROUNDS = int(os.environ.get("BENCH_STAMPEDES", "3"))
LEASE, LOCKS, FLIGHT = "lease in Redis", "Redis away, file locks", "single-flight alone"
PLAIN = "Flask-Caching, RedisCache"

KINDS = (LEASE, LOCKS, FLIGHT, PLAIN)
PAGES = [
    (kind, f"{place}-{number}") for place, kind in enumerate(KINDS) for number in range(ROUNDS)
]
"""Each stampede is at a key of its own, so that it is cold."""

Reader = Callable[[str, Callable[[], str]], object]


def engine_reader(url: str | None, folder: Path | None) -> Reader:
    """Reads through an engine of this process."""
    engine = make_engine(url, locks=[FileLocks(folder)] if folder is not None else [])
    return lambda page, load: engine.read(make_call(load, page))


def plain_reader(url: str) -> Reader:
    """Reads as `@cached` does it."""
    app = Flask("plain", static_folder=None)
    cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url})

    def read(page: str, load: Callable[[], str]) -> object:
        with app.test_request_context(f"/{page}"):
            return cache.cached(timeout=60)(load)()

    return read


def worker(url: str, folder: str, together: Any, loads: Any, spans: Any) -> None:
    """One process: its threads wait for all others, then read, one stampede after the other."""
    readers = {
        LEASE: engine_reader(url, None),
        LOCKS: engine_reader(None, Path(folder)),
        FLIGHT: engine_reader(None, None),
        PLAIN: plain_reader(url),
    }
    for place, (kind, page) in enumerate(PAGES):
        spans.put(_stampede(readers[kind], page, together, loads[place]))


def _stampede(read: Reader, page: str, together: Any, loads: Any) -> tuple[float, float]:
    """When this process' first reader began, and its last had the answer."""
    times: list[float] = []

    def load() -> str:
        with loads.get_lock():
            loads.value += 1
        time.sleep(LOAD_S)
        return "rows"

    def one() -> None:
        together.wait()
        times.append(time.monotonic())
        read(page, load)
        times.append(time.monotonic())

    threads = [threading.Thread(target=one) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(times), max(times)


def main() -> None:
    """Measure and print a table."""
    processes = multiprocessing.get_context("spawn")
    folder = tempfile.mkdtemp(prefix="larder-benchmark-")
    together = processes.Barrier(WORKERS * THREADS)
    loads = [processes.Value("i", 0) for _ in PAGES]
    spans = processes.SimpleQueue()
    with redis_url() as url:
        if url is None:
            sys.exit("There is no redis-server: a stampede over several workers needs one.")
        workers = [
            processes.Process(target=worker, args=(url, folder, together, loads, spans))
            for _ in range(WORKERS)
        ]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
    found = [spans.get() for _ in range(WORKERS * len(PAGES))]
    shutil.rmtree(folder, ignore_errors=True)
    _print([each.value for each in loads], sorted(found))


def _print(loads: list[int], spans: list[tuple[float, float]]) -> None:
    """Stampedes follow one another, so that sorted spans come in groups of one a worker."""
    click.echo(
        f"{WORKERS * THREADS} readers in {WORKERS} processes at a cold key, "
        f"a load of {LOAD_S:g} s; {ROUNDS} rounds"
    )
    click.echo(f"{'':<28}{'loads':>16}{'seconds, all answered':>24}")
    groups = [spans[place : place + WORKERS] for place in range(0, len(spans), WORKERS)]
    took_s = [max(ended for _, ended in each) - each[0][0] for each in groups]
    for place, kind in enumerate(KINDS):
        own = slice(place * ROUNDS, (place + 1) * ROUNDS)
        least, most = min(loads[own]), max(loads[own])
        shown = str(least) if least == most else f"{least} to {most}"
        click.echo(f"{kind:<28}{shown:>16}{statistics.median(took_s[own]):>24.2f}")


if __name__ == "__main__":
    main()
