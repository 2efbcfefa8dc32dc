"""A real PostgreSQL for tests: its own folder and port, each test its own database.

Where the machine has none, tests that want it are skipped, and in CI they fail.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Table

from telemetry.ids import new_id
from tests.doubles.server_programs import lacking, postgres_programs

__all__ = ["PostgresServer", "postgres_server", "postgres_url"]

START_S = 60
DISCONNECT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
UNGUARD = "SET session_replication_role = replica"
"""Neither triggers nor references are minded."""
OTHER_USER = "nobody"
"""PostgreSQL refuses to run as root."""


class PostgresServer:
    """One server on a free port of the loopback; `close` ends it and removes its folder."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="larder-postgres-"))
        self.port = _free_port()
        self._programs = programs
        self._user = OTHER_USER if os.geteuid() == 0 else None
        if self._user is not None:
            self._programs = self._readable(programs)
            shutil.chown(self.folder, pwd.getpwnam(self._user).pw_uid)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster, start the server, and wait until it answers."""
        place = self.folder / "cluster"
        make = ("initdb", "-D", str(place), "-U", "larder", "-A", "trust", "-E", "UTF8", "-N")
        self._run(make, wait=True)
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run(("postgres", "-D", str(place), *flags))
        deadline = time.monotonic() + START_S
        while True:
            with suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres")):
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)  # noqa: TID251 (a real process is waited for)

    def dsn(self, database: str) -> str:
        """Where a database is, as libpq has it."""
        return f"host=127.0.0.1 port={self.port} user=larder dbname={database}"

    def make_database(self) -> str:
        """A fresh database; its SQLAlchemy URL."""
        name = f"t{new_id().replace('-', '')}"
        self._tell("postgres", f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://larder@127.0.0.1:{self.port}/{name}"

    def empty(self, url: str, tables: Sequence[Table]) -> None:
        """Take every row out of `tables`, guarded ones too, and every connection away."""
        deletes = (f'DELETE FROM "{each.name}"' for each in tables)  # noqa: S608 (our own tables)
        name = url.rpartition("/")[2]
        self._tell(name, "; ".join((DISCONNECT, UNGUARD, *deletes)))

    def drop_database(self, url: str) -> None:
        """Take a database away, whoever is still connected to it."""
        self._tell("postgres", f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _tell(self, database: str, statement: str) -> None:
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload, unused-ignore]

    def close(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _readable(self, programs: Path) -> Path:
        """`programs`, or where they cannot be seen by another user (in root's home), a copy."""
        can_enter = all(each.stat().st_mode & 0o005 == 0o005 for each in programs.parents)
        if can_enter:
            return programs
        copy = self.folder / "programs"
        shutil.copytree(programs.parent, copy)
        return copy / programs.name

    def _run(self, command: tuple[str, ...], *, wait: bool = False) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                (str(self._programs / command[0]), *command[1:]),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=self._user,
                env={"LC_ALL": "C.UTF-8"},
            )
        if wait:
            assert process.wait(START_S) == 0, (self.folder / "log").read_text()
        return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The suite's PostgreSQL."""
    programs = postgres_programs()
    if programs is None:
        lacking("PostgreSQL")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh, empty database of the suite's PostgreSQL."""
    url = postgres_server.make_database()
    yield url
    postgres_server.drop_database(url)
