"""What services are handed by the application: settings, clock, engines. Bound once by `app.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config import Settings
from services.background import BackgroundWork
from services.secrets import SecretBox
from telemetry.clock import Clock
from telemetry.metrics import RequestMetrics

if TYPE_CHECKING:
    from providers.registry import ProviderRegistry
    from streams.engine import StreamEngine

__all__ = ["Runtime", "bind", "runtime"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The application's parts.

    `worker` names this process, for records of what ran where; `instance` the server start whose
    workers share their counters; `requests` counts HTTP requests.
    `background` runs work beside the requests.
    """

    settings: Settings
    clock: Clock
    secrets: SecretBox
    providers: "ProviderRegistry"
    streams: "StreamEngine"
    worker: str
    instance: str
    requests: RequestMetrics
    background: BackgroundWork


_locate: list[Callable[[], Runtime]] = []


def bind(locate: Callable[[], Runtime]) -> None:
    """Say how the running application's parts are found; the last word counts."""
    _locate[:] = [locate]


def runtime() -> Runtime:
    """The running application's parts.

    Raises:
        RuntimeError: no application was made yet.
    """
    if not _locate:
        raise RuntimeError("no application is running: make one with app.create_app()")
    return _locate[0]()
