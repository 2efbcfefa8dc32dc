"""The official OpenAI client for Node works as the one for Python does."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.doubles.gunicorn_server import ADMIN_KEY, ROOT
from tests.doubles.server_programs import lacking

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

NODE = ROOT / "tests" / "node"
INSTALL_S, RUN_S = 180, 60
TOOL = {"name": "weather", "arguments": '{"city": "Oslo"}'}


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Path:
    """The client's script beside its locked packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        lacking("node")
    folder: Path = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "client.mjs"):
        shutil.copy(NODE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=INSTALL_S, check=False)
    if done.returncode != 0:
        lacking("the openai package for node")
    return folder / "client.mjs"


def test_the_node_client_works_in_all_its_parts(larder, client):
    """Whole, streamed, tools, vectors, and the client's own class of each error."""
    command = ["node", str(client), f"{larder.url}/v1", ADMIN_KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=True)

    found = json.loads(done.stdout)
    assert found == {
        "models": "openai/echo",
        "whole": "You said: hello there ",
        "streamed": "You said: hello there ",
        "usage": 6,
        "tools": TOOL,
        "embeddings": [11.0, 0.5],
        "abort": True,
        "authentication": {"raised": "AuthenticationError", "status": 401},
        "notFound": {"raised": "NotFoundError", "status": 404},
        "badRequest": {"raised": "BadRequestError", "status": 400},
        "rateLimit": {"raised": "RateLimitError", "status": 429},
        "broken": {"raised": "APIError", "status": None},
    }
