"""A real redis-server of a test's own."""

import socket
import subprocess
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.doubles.server_programs import lacking, redis_program
from tests.streams.scripts import wait_until

__all__ = ["RedisProcess", "free_port", "patient_client", "strict_client"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def strict_client(port: int) -> redis.Redis:
    """A client as the application's connection makes them: short limits, no retries."""
    return redis.Redis(
        host="127.0.0.1",
        port=port,
        socket_timeout=0.25,
        socket_connect_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
    )


def patient_client(port: int) -> redis.Redis:
    """A client for tests in which time is not the point: a busy machine is no fault of Redis's."""
    return redis.Redis(
        host="127.0.0.1",
        port=port,
        socket_timeout=20,
        socket_connect_timeout=20,
        retry=Retry(NoBackoff(), 0),
    )


class RedisProcess:
    """Starts and ends a server that keeps nothing on disk but what it is told to save."""

    def __init__(
        self, *options: str, program: Path | None = None, sentinel_file: Path | None = None
    ) -> None:
        self.port = free_port()
        self._program = program
        own = ("--port", str(self.port), "--bind", "127.0.0.1")
        self._options = (
            (str(sentinel_file), *own, *options, "--sentinel")
            if sentinel_file is not None
            else (*own, "--save", "", "--appendonly", "no", *options)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RedisProcess":
        """Run until it answers."""
        self.launch()
        try:
            wait_until(self.answers)
        except AssertionError:
            self.kill()
            raise
        return self

    def launch(self) -> None:
        """Run, without waiting for anything."""
        program = self._program or redis_program()
        if program is None:
            lacking("redis-server")
        self.process = subprocess.Popen([str(program), *self._options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a crash would; everything it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        """Freeze it, or let it go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def tell(self, *words: Any) -> Any:
        """The answer to one command."""
        client = patient_client(self.port)
        try:
            return client.execute_command(*words)
        finally:
            client.close()

    def answers(self) -> bool:
        """Whether it can be spoken to."""
        client = strict_client(self.port)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
