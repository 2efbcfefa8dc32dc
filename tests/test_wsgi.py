"""What the server and the `flask` command load, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _flask(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],  # noqa: TID251 (the tests' own)
        "LARDER_INSTANCE_PATH": str(folder),
        "CACHE_BACKEND": "memory",
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=ROOT, env=environ, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.server
def test_the_application_is_made_from_the_environment(tmp_path):
    """Nothing has to be set for it, and no database has to be there."""
    shown = _flask(tmp_path, "routes")

    assert shown.returncode == 0
    assert "/api/conversations" in shown.stdout


@pytest.mark.server
@pytest.mark.parametrize(
    "settings",
    [
        {"CACHE_BACKEND": "disk", "LOG_LEVEL": "loud"},
        {"CACHE_TTL_MODELS_LISTS": "5"},
        {"CACHE_WARM_AT_START": "everything"},
        {"CACHE_BACKEND": "redis", "REDIS_URL": "redis://127.0.0.1:1/0"},
        {"REDIS_URL": "redis://127.0.0.1:port/0", "CACHE_BACKEND": "auto"},
        {"LARDER_INSTANCE_PATH": "/dev/null"},
        {"DATABASE_URL": "sqlite://"},
        {"DATABASE_URL": "postgresql+psycopg2://ann:hunter2@127.0.0.1/larder"},
    ],
)
def test_what_stops_a_start_is_one_line(tmp_path, settings):
    """An operator reads what to mend, not where in our code it was noticed."""
    stopped = _flask(tmp_path, "routes", **settings)

    (line,) = [each for each in stopped.stderr.splitlines() if each]
    assert stopped.returncode == 1
    assert line.startswith("Larder cannot start: ")
    assert next(iter(settings)) in line
