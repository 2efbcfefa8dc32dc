"""Real servers for the whole: gunicorn, and a provider in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.gunicorn_server import ROOT, GunicornServer
from tests.doubles.openai_server import KEY

WORKER_CLASSES = ("gevent", "gthread")


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """An OpenAI-compatible server in another process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.openai_server"],
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
) -> Iterator[GunicornServer]:
    """Larder with two workers of one class, and the provider in its environment."""
    folder: Path = tmp_path_factory.mktemp(f"larder-{request.param}")
    server = GunicornServer(
        folder,
        LARDER_WORKER_CLASS=request.param,
        OPENAI_BASE_URL=provider_url,
        OPENAI_API_KEY=KEY,
    ).start()
    yield server
    server.stop()
