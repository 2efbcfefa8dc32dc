"""Larder on a real gunicorn, for measurements: started, asked for its CPU time, stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["WORKERS", "Server", "folder", "serving"]

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
START_S = 60.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Server:
    """One gunicorn."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port = port
        self._process = process

    def cpu_s(self) -> float:
        """The CPU time that its workers have used, user and system, in seconds."""
        spent = 0
        for pid in self.workers():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
        return spent * TICK_S

    def workers(self) -> list[int]:
        """The ids of the processes that serve."""
        pid = self._process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def await_start(self) -> None:
        """Wait until it answers."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            assert self._process.poll() is None, "gunicorn ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("gunicorn did not answer")

    def stop(self) -> None:
        """End it as an operator would."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_S)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for an installation, removed afterwards."""
    made = Path(tempfile.mkdtemp(prefix="larder-benchmark-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def serving(
    worker_class: str, instance: Path, variables: Mapping[str, str], *, application: str
) -> Iterator[Server]:
    """Two workers of gunicorn, as `gunicorn.conf.py` sets it up.

    Args:
        worker_class: `gevent` or `gthread`.
        instance: the folder of the installation.
        variables: further settings.
        application: what is served, such as `wsgi:app`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(instance),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LARDER_INSTANCE_PATH": str(instance),
        "LARDER_WORKER_CLASS": worker_class,
        "WEB_CONCURRENCY": str(WORKERS),
        "SHUTDOWN_GRACE": "2",
        "LOG_LEVEL": "error",
        **variables,
    }
    program = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
    process = subprocess.Popen([*program, application], cwd=ROOT, env=environ)
    server = Server(process, port)
    try:
        server.await_start()
        yield server
    finally:
        server.stop()
