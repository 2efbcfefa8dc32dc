"""A machine with neither Redis nor PostgreSQL still tests with real ones: the wheels' own."""

import psycopg
import pytest

from tests.doubles.postgres import PostgresServer
from tests.doubles.redis_process import RedisProcess, strict_client
from tests.doubles.server_programs import lacking, postgres_programs, redis_program

pytestmark = pytest.mark.server


def test_the_bundled_redis_serves():
    """A Valkey, which is spoken to as Redis."""
    program = redis_program(bundled=True)
    if program is None:
        lacking("valkey-server")
    server = RedisProcess(program=program).start()
    try:
        strict_client(server.port).set("a", "b")

        assert strict_client(server.port).get("a") == b"b"
    finally:
        server.kill()


def test_the_bundled_postgresql_serves():
    """Newer than most machines' own, and run by another user where this one is root."""
    programs = postgres_programs(bundled=True)
    if programs is None:
        lacking("PostgreSQL")
    server = PostgresServer(programs)
    try:
        server.start()
        with psycopg.connect(server.dsn("postgres")) as connection:
            row = connection.execute("SELECT to_tsvector('simple', 'good day')::text").fetchone()

        assert row == ("'day':2 'good':1",)
    finally:
        server.close()
