"""`set` and `get` of the memory tier beside Flask-Caching's SimpleCache, at their limits.

Both hold as many entries as they may, so that every `set` of a new key has to make room: for it
SimpleCache sorts all its keys, the memory tier drops the least recently used. Taken in turn; the
best of the rounds counts, for what disturbs a measurement only ever adds to it.
"""

import itertools
import sys
import time
from collections.abc import Callable

import click
from flask_caching.backends.simplecache import SimpleCache

from cache.backends.memory import MemoryCache

__all__ = ["main"]

SIZES = (500, 10_000, 100_000)
ENTRY_BYTES = 100
ROUNDS = 20
SETS = {500: 200, 10_000: 10, 100_000: 2}
"""How many of SimpleCache's a round has: it takes up to a tenth of a second for one."""
TIMEOUT_S = 3600
GOAL_US = 5.0


def filled(entries: int) -> tuple[SimpleCache, MemoryCache]:
    """Both caches, as full as they may be."""
    simple = SimpleCache(threshold=entries, default_timeout=TIMEOUT_S)
    memory = MemoryCache(max_bytes=entries * ENTRY_BYTES, default_timeout=TIMEOUT_S)
    for number in range(entries + 1):
        simple.set(f"old-{number}", number)
        memory.set(f"old-{number}", number, size_bytes=ENTRY_BYTES)
    return simple, memory


def timed_us(verb: Callable[[str], object], keys: list[str]) -> float:
    """Microseconds of processor time of one call, over all of `keys`."""
    began_s = time.thread_time()
    for key in keys:
        verb(key)
    return (time.thread_time() - began_s) / len(keys) * 1e6


def measure(entries: int) -> dict[str, float]:
    """Microseconds of each verb at one size."""
    simple, memory = filled(entries)
    names = (f"new-{number}" for number in itertools.count())
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        few = list(itertools.islice(names, SETS[entries]))
        many = list(itertools.islice(names, 400))
        taken = {
            "SimpleCache set": timed_us(lambda key: simple.set(key, 1), few),
            "memory tier set": timed_us(
                lambda key: memory.set(key, 1, size_bytes=ENTRY_BYTES), many
            ),
            "SimpleCache get": timed_us(simple.get, few),
            "memory tier get": timed_us(memory.get, many),
        }
        best = {name: min(us, best.get(name, us)) for name, us in taken.items()}
    return best


def main() -> None:
    """Measure and print a table."""
    found = {entries: measure(entries) for entries in SIZES}
    click.echo(
        f"Microseconds of processor time, best of {ROUNDS} rounds; Python {sys.version.split()[0]}"
    )
    click.echo(f"{'at its limit of':<20}" + "".join(f"{entries:>12,}" for entries in SIZES))
    for verb in found[SIZES[0]]:
        row = "".join(f"{found[entries][verb]:>12.2f}" for entries in SIZES)
        click.echo(f"{verb:<20}{row}")
    worst_us = max(each["memory tier set"] for each in found.values())
    word = "reached" if worst_us < GOAL_US else "missed"
    click.echo(f"  memory tier set at any size: {worst_us:.2f} µs (goal below {GOAL_US:g}, {word})")


if __name__ == "__main__":
    main()
