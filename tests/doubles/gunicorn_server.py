"""Larder as it is really served: gunicorn in a process of its own, with its own folder."""

import os
import re
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import urllib3

from tests.doubles.redis_process import free_port
from tests.streams.scripts import wait_until

__all__ = ["ADMIN_KEY", "GunicornServer"]

ADMIN_KEY = "lk-admin-key-of-a-real-server"
ROOT = Path(__file__).resolve().parents[2]
START_S = 120


class GunicornServer:
    """One server; `start` migrates its database first, `stop` ends it as an operator would.

    It serves `application`, Larder's own unless another is named, as gunicorn has it.
    """

    def __init__(self, folder: Path, *, application: str | None = None, **settings: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.log = folder / "gunicorn.log"
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = urllib3.PoolManager(retries=False, timeout=60, maxsize=64)
        self._environ = {
            "PATH": os.environ["PATH"],  # noqa: TID251 (the tests' own)
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(ROOT),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LARDER_INSTANCE_PATH": str(folder / "instance"),
            "LARDER_ADMIN_KEY": ADMIN_KEY,
            "CACHE_BACKEND": "memory",
            "WEB_CONCURRENCY": "2",
            "SHUTDOWN_GRACE": "5",
            "LOG_FORMAT": "json",
            **settings,
        }
        self.instance_path = Path(self._environ["LARDER_INSTANCE_PATH"])
        self._application = [application] if application else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "GunicornServer":
        """Migrate and serve; returns once it answers."""
        self.begin()
        self.wait_ready()
        return self

    def begin(self) -> None:
        """Migrate, and begin to serve."""
        self._migrate()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"),
                 *self._application],
                cwd=ROOT, env=self._environ, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Until it answers."""
        wait_until(self._answers, within_s=START_S)

    def flask(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Larder's own in the same environment."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *words],
            cwd=ROOT, env=self._environ, check=check, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def request(
        self, method: str, path: str, *, key: str = ADMIN_KEY, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send one request; `json=`, `headers=`, `preload_content=` as urllib3 has them."""
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        return self._http.request(method, self.url + path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send a GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send a POST."""
        return self.request("POST", path, json=json, **options)

    def worker_pids(self) -> list[int]:
        """The processes that serve."""
        booted = re.findall(r"Booting worker with pid: (\d+)", self.log.read_text())
        return [pid for pid in map(int, booted) if _lives(pid)]

    def send_signal(self, number: int) -> None:
        """Tell its master something, as an operator would."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _migrate(self) -> None:
        """Bring the database up to date; an SQLite file that is not there yet is a copy."""
        if "DATABASE_URL" in self._environ:
            self.flask("db", "upgrade")
            return
        database = self.instance_path / "larder.sqlite3"
        if not database.exists():
            database.parent.mkdir(parents=True, exist_ok=True)
            database.write_bytes(_migrated())

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            ready: bool = self.get("/healthz").status == 200
        except urllib3.exceptions.HTTPError:
            return False
        return ready


@cache
def _migrated() -> bytes:
    """An SQLite file as `flask db upgrade` makes it."""
    with TemporaryDirectory(prefix="larder-migrated-") as folder:
        server = GunicornServer(Path(folder))
        server.flask("db", "upgrade")
        return (server.folder / "instance" / "larder.sqlite3").read_bytes()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
