"""The servers of the measurement, each in processes of its own, and the CPU time they took."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import redis_url
from benchmarks.relaying.load import KEY

__all__ = ["Server", "larder", "provider", "relay", "stack"]

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
THREADS = "1000"
"""Of a gthread worker: as many streams as it is offered."""
START_S = 60.0
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that listens at `url`; `prefix` begins the names of its models."""

    name: str
    url: str
    prefix: str
    processes: Sequence[subprocess.Popen[bytes]]

    def cpu_s(self) -> float:
        """The CPU seconds of all its processes so far."""
        return sum(_cpu_s(pid) for pid in self._pids())

    def memory_mb(self) -> float:
        """The resident memory of all its processes now."""
        return sum(_resident_mb(pid) for pid in self._pids())

    def _pids(self) -> list[int]:
        mine = [process.pid for process in self.processes]
        return [pid for pid, parent in _parents() if pid in mine or parent in mine]


@contextmanager
def provider() -> Iterator[str]:
    """The mock provider; its base URL."""
    port = _free_port()
    with _running("benchmarks.relaying.provider", str(port)):
        _await(f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def relay(provider_url: str) -> Iterator[Server]:
    """The bare aiohttp relay, in as many processes as Larder has workers."""
    port = _free_port()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_running("benchmarks.relaying.relay", str(port), provider_url))
            for _ in range(WORKERS)
        ]
        _await(f"http://127.0.0.1:{port}/")
        yield Server("aiohttp", f"http://127.0.0.1:{port}", "", processes)


@contextmanager
def stack(provider_url: str, worker_class: str) -> Iterator[Server]:
    """The same frame with nothing of Larder's."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="larder-benchmark-") as folder:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PROVIDER_URL": provider_url,
            "DATABASE_URL": f"sqlite:///{folder}/rows.sqlite3",
        }
        _run("benchmarks.relaying.stack", environ=environ)
        own = ("--config", os.devnull)  # `gunicorn.conf.py` is Larder's
        command = [
            *(sys.executable, "-m", "gunicorn", *own, "--bind", f"127.0.0.1:{port}"),
            *("--workers", str(WORKERS), "--worker-class", worker_class),
            *("--worker-connections", "2000", "--threads", THREADS),
            "benchmarks.relaying.stack:app",
        ]
        with _process(command, environ) as process:
            _await(f"http://127.0.0.1:{port}/healthz")
            yield Server(f"bare {worker_class}", f"http://127.0.0.1:{port}", "", [process])


@contextmanager
def larder(provider_url: str, worker_class: str) -> Iterator[Server]:
    """Larder as it is served, with a Redis of its own where there is one."""
    with tempfile.TemporaryDirectory(prefix="larder-benchmark-") as folder, redis_url() as redis:
        port = _free_port()  # Redis listens by now, and cannot be given the same one
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WEB_CONCURRENCY": str(WORKERS),
            "LARDER_WORKER_CLASS": worker_class,
            "LARDER_THREADS": THREADS,
            "LARDER_INSTANCE_PATH": folder,
            "LARDER_ADMIN_KEY": KEY,
            "OPENAI_API_KEY": "sk-mock",
            "OPENAI_BASE_URL": provider_url,
            "CACHE_BACKEND": "redis" if redis else "memory",
            "LOG_LEVEL": "warning",
            "SHUTDOWN_GRACE": "1",
            **({"REDIS_URL": redis} if redis else {}),
        }
        _run("flask", "--app", "wsgi", "db", "upgrade", environ=environ)
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
        with _process(command, environ) as process:
            _await(f"http://127.0.0.1:{port}/healthz")
            yield Server(f"Larder {worker_class}", f"http://127.0.0.1:{port}", "openai/", [process])


def _run(module: str, *arguments: str, environ: dict[str, str]) -> None:
    """Run a module to its end."""
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)


@contextmanager
def _running(module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with _process([sys.executable, "-m", module, *arguments], environ) as process:
        yield process


@contextmanager
def _process(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _parents() -> Iterator[tuple[int, int]]:
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):
                yield int(each.name), int(_stat(int(each.name))[1])


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on; a name may have spaces in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def _resident_mb(pid: int) -> float:
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(url: str) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(url):  # noqa: S310 (a server of our own)
                return
        except urllib.error.HTTPError:
            return  # it answers; that is enough
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(url)
