"""Real servers for the whole: gunicorn, and a provider in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.anthropic_server import KEY as ANTHROPIC_KEY
from tests.doubles.gunicorn_server import ROOT, GunicornServer
from tests.doubles.openai_server import KEY

WORKER_CLASSES = ("gevent", "gthread")


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """An OpenAI-compatible server in another process."""
    with _served("tests.doubles.openai_server") as url:
        yield url


@pytest.fixture(scope="session")
def anthropic_url() -> Iterator[str]:
    """A server of Anthropic's Messages API in another process."""
    with _served("tests.doubles.anthropic_server") as url:
        yield url


@contextmanager
def _served(module: str) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="session", params=WORKER_CLASSES)
def larder(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider_url: str,
    anthropic_url: str,
) -> Iterator[GunicornServer]:
    """Larder with two workers of one class, and both providers in its environment."""
    folder: Path = tmp_path_factory.mktemp(f"larder-{request.param}")
    server = GunicornServer(
        folder,
        LARDER_WORKER_CLASS=request.param,
        OPENAI_BASE_URL=provider_url,
        OPENAI_API_KEY=KEY,
        ANTHROPIC_BASE_URL=anthropic_url,
        ANTHROPIC_API_KEY=ANTHROPIC_KEY,
    ).start()
    yield server
    server.stop()
