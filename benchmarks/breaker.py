"""What Redis being away costs a read, once the circuit is open.

The same engine with a circuit that was opened by a refused connection, and with no Redis at all,
in turn: a hit in memory, and a miss that is loaded. The best of the rounds counts.
"""

import socket
import sys
import time
from collections.abc import Callable

import click

from benchmarks.engines import make_call, make_engine

__all__ = ["main"]

ROUNDS = 20
READS = 500
GOAL_US = 50.0
FAR_S = 3600.0


def nobodys_url() -> str:
    """A URL at which no Redis listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}/0"


def timed_us(verb: Callable[[], object]) -> float:
    """Microseconds of processor time that one call takes."""
    began_s = time.thread_time()
    for _ in range(READS):
        verb()
    return (time.thread_time() - began_s) / READS * 1e6


def main() -> None:
    """Measure and print a table."""
    open_engine = make_engine(nobodys_url(), probe_s=FAR_S)
    alone = make_engine(None)
    assert open_engine.redis is not None
    assert not open_engine.redis.circuit.try_now()
    call = make_call(lambda: {"name": "loaded"})

    def miss(engine: object) -> Callable[[], object]:
        def read() -> object:
            engine.memory.clear()  # type: ignore[attr-defined]  # either of the two
            return engine.read(call)  # type: ignore[attr-defined]  # likewise

        return read

    verbs = {
        ("hit in memory", "open"): lambda: open_engine.read(call),
        ("hit in memory", "none"): lambda: alone.read(call),
        ("miss, loaded", "open"): miss(open_engine),
        ("miss, loaded", "none"): miss(alone),
    }
    best: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS):
        for name, verb in verbs.items():
            verb()
            best[name] = min(timed_us(verb), best.get(name, float("inf")))
    open_engine.shutdown()
    alone.shutdown()
    _print(best)


def _print(best: dict[tuple[str, str], float]) -> None:
    click.echo(
        f"Microseconds of processor time, best of {ROUNDS} rounds; Python {sys.version.split()[0]}"
    )
    click.echo(f"{'':<20}{'circuit open':>14}{'no Redis':>12}{'added':>10}")
    added: list[float] = []
    for kind in ("hit in memory", "miss, loaded"):
        opened, none = best[kind, "open"], best[kind, "none"]
        added.append(opened - none)
        click.echo(f"{kind:<20}{opened:>14.2f}{none:>12.2f}{added[-1]:>10.2f}")
    word = "reached" if max(added) < GOAL_US else "missed"
    click.echo(f"  an open circuit adds {max(added):.2f} µs (goal below {GOAL_US:g}, {word})")


if __name__ == "__main__":
    main()
