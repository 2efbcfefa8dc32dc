"""What it costs that every write says so: bumps, triggers, and twelve writers at once.

    python -m benchmarks.writes [sqlite|postgresql …]

One writer inserts a folder a transaction: with nothing, with the unit of work's bump, with the
triggers alone (as a hand at the shell writes), and with both, as Larder does; and it changes 10,000
rows in one statement with and without triggers. Then twelve processes write, each its own scope,
all one scope, all one striped scope. All in turn, several rounds; medians count, and their ratios.

PostgreSQL runs with `fsync=off`, so that the disk hides nothing: on a real one all ratios are
nearer to 1. `BENCH_WRITES` says how many transactions a round has, `BENCH_ROUNDS` how many rounds.
"""

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import insert, text

from benchmarks.installation import installation
from database.generations import bump
from database.session import db, write_session
from database.tables.conversations import Folder
from database.tables.users import User
from database.triggers import postgres, sqlite
from database.triggers.declared import declared
from telemetry.clock import SYSTEM_CLOCK
from telemetry.ids import new_id
from tests.doubles.postgres import PostgresServer
from tests.doubles.server_programs import postgres_programs

__all__ = ["main"]

WRITES = int(os.environ.get("BENCH_WRITES", "300"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
WRITERS = 12
ROWS = 10_000
STRIPES = 16
TABLE = declared(db.metadata.tables["folders"], Folder.cached_in)

Measure = Callable[[], float]


def main() -> None:
    """Measure on the databases that are named, or on both."""
    for name in sys.argv[1:] or ["sqlite", "postgresql"]:
        with _database(name) as app, app.app_context():
            _make_users()
            print(f"\n{name}, {WRITES} transactions a round, medians of {ROUNDS} rounds")
            _single()
            _bulk()
            _twelve(app)


@contextmanager
def _database(name: str) -> Iterator[Flask]:
    if name == "sqlite":
        with installation() as app:
            yield app
        return
    programs = postgres_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is neither installed nor bundled for this machine")
    server = PostgresServer(programs)
    try:
        server.start()
        with installation(database_url=server.make_database()) as app:
            yield app
    finally:
        server.close()


def _make_users() -> None:
    now = SYSTEM_CLOCK.now()
    rows = [
        {"id": f"w{number}", "name": "w", "role": "member", "created_at": now, "updated_at": now}
        for number in range(WRITERS)
    ]
    with write_session() as session:
        session.execute(insert(User), rows)
        session.commit()


def _triggers(*, there: bool) -> None:
    dialect = postgres if db.engine.dialect.name == "postgresql" else sqlite
    statements = [*dialect.dropped(TABLE), *(dialect.created(TABLE) if there else ())]
    with db.engine.execution_options(writes=True).begin() as connection:
        for each in statements:
            connection.exec_driver_sql(each, execution_options={"no_parameters": True})


def _folder(owner: str) -> dict[str, Any]:
    now = SYSTEM_CLOCK.now()
    return {"id": new_id(), "user_id": owner, "name": "n", "created_at": now, "updated_at": now}


def _write(owner: str, scopes: Mapping[str, int], count: int) -> float:
    """Seconds for a transaction: the quickest tenth of `count`, which others disturbed least."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        with write_session() as session:
            session.execute(insert(Folder), [_folder(owner)])
            bump(session.connection(), scopes, SYSTEM_CLOCK)
            session.commit()
        taken.append(time.perf_counter() - began)
    return statistics.quantiles(taken, n=10)[0]


def _rounds(measures: Mapping[str, tuple[bool, Measure]]) -> dict[str, float]:
    """The medians of measures that are taken in turn; each says whether it wants the triggers."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, (has_triggers, measure) in measures.items():
            _triggers(there=has_triggers)
            taken[name].append(measure())
    _triggers(there=True)
    return {name: statistics.median(each) for name, each in taken.items()}


def _single() -> None:
    scopes = {"conversations:w0": 1}
    found = _rounds(
        {
            "nothing": (False, lambda: _write("w0", {}, WRITES)),
            "bump": (False, lambda: _write("w0", scopes, WRITES)),
            "triggers": (True, lambda: _write("w0", {}, WRITES)),
            "bump and triggers": (True, lambda: _write("w0", scopes, WRITES)),
        }
    )
    for name, took_s in found.items():
        ratio = took_s / found["nothing"]
        print(f"  one writer, {name:20} {took_s * 1e6:8.0f} us {ratio:6.2f} x nothing")


def _bulk() -> None:
    with write_session() as session:
        session.execute(insert(Folder), [_folder("w1") for _ in range(ROWS)])
        session.commit()

    def change() -> float:
        began = time.perf_counter()
        with write_session() as session:
            session.execute(text("UPDATE folders SET name = 'x' WHERE user_id = 'w1'"))
            session.commit()
        return time.perf_counter() - began

    found = _rounds({"without": (False, change), "with": (True, change)})
    each_us = (found["with"] - found["without"]) / ROWS * 1e6
    print(
        f"  {ROWS} rows in one statement {found['without']:8.3f} s, with triggers"
        f" {found['with']:.3f} s {found['with'] / found['without']:6.2f} x ({each_us:.1f} us a row)"
    )


def _twelve(app: Flask) -> None:
    kinds: dict[str, Callable[[int], Mapping[str, int]]] = {
        "each its own scope": lambda number: {f"conversations:w{number}": 1},
        "and one of 16 stripes": lambda number: {
            f"conversations:w{number}": 1, "analytics:everyone": STRIPES,
        },
        "and one scope for all": lambda number: {
            f"conversations:w{number}": 1, "analytics:everyone": 1,
        },
    }  # fmt: skip
    found = _rounds(
        {
            name: (True, lambda scopes=scopes: _together(app, scopes))  # type: ignore[misc]
            for name, scopes in kinds.items()
        }
    )
    own = found["each its own scope"]
    for name, took_s in found.items():
        rate = WRITERS * WRITES / took_s
        print(f"  12 writers, {name:22} {rate:6.0f} a second {own / took_s:6.2f} x own scopes")


def _together(app: Flask, scopes: Callable[[int], Mapping[str, int]]) -> float:
    """Seconds until twelve processes have done their transactions."""
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(WRITERS + 1)

    def write(number: int) -> None:
        with app.app_context():
            db.engine.dispose(close=False)
            _write(f"w{number}", scopes(number), 3)  # connections are made, statements compiled
            start.wait()
            _write(f"w{number}", scopes(number), WRITES)

    db.engine.dispose()
    writers = [fork.Process(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    start.wait()
    began = time.perf_counter()
    for writer in writers:
        writer.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
