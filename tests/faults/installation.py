"""Two machines of one installation, a worker class each, and what all their workers say."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import urllib3

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.together import together
from tests.streams.scripts import wait_until

__all__ = ["TIMEOUT_S", "WORKER_CLASSES", "Installation", "hit_in"]

WORKER_CLASSES = ("gevent", "gthread")
READS = 12
"""At once, each on a connection of its own: so every worker answers some of them."""
RETURN_S = 30
TIMEOUT_S = 1.0
"""Of one answer of Redis: more than the default, so that a loaded machine is no outage."""


class Installation:
    """One database, and for each URL of Redis a server of two workers."""

    def __init__(self, folder: Path, redis_urls: Sequence[str], **settings: str) -> None:
        self.servers = [
            GunicornServer(
                folder / str(number),
                LARDER_WORKER_CLASS=WORKER_CLASSES[number % 2],
                CACHE_BACKEND="auto",
                REDIS_URL=url,
                CACHE_REDIS_TIMEOUT=str(TIMEOUT_S),
                CACHE_REDIS_CONNECT_TIMEOUT=str(TIMEOUT_S),
                CACHE_MEMORY_FIRST="false",
                CACHE_AUDIT_SHARE="1",
                LARDER_INSTANCE_PATH=str(folder / "instance"),
                **settings,
            )
            for number, url in enumerate(redis_urls)
        ]

    def start(self) -> "Installation":
        """Migrate and serve."""
        for each in self.servers:
            each.folder.mkdir()
            each.begin()
        for each in self.servers:
            each.wait_ready()
        return self

    def stop(self) -> list[dict[str, Any]]:
        """End it; the figures of each machine at the end."""
        figures = [each.get("/api/cache/stats").json()["totals"] for each in self.servers]
        for each in self.servers:
            each.stop()
        return figures

    def ask_all(self, path: str) -> list[urllib3.BaseHTTPResponse]:
        """The same question to every worker of every machine; not one may fail."""
        close = {"Connection": "close"}
        asks = [partial(each.get, path, headers=close) for each in self.servers]
        answers = together(asks * READS)
        assert {each.status for each in answers} == {200}, [each.data for each in answers]
        return answers

    def write(self, name: str) -> None:
        """Make a folder, by the first machine."""
        answer = self.servers[0].post("/api/folders", {"name": name})
        assert answer.status == 201, answer.data

    def all_see(self, name: str) -> bool:
        """Whether every worker lists that folder."""
        answers = self.ask_all("/api/folders")
        return all(name in {row["name"] for row in each.json()["items"]} for each in answers)

    def wait_for(self, tier: str) -> None:
        """Until every worker says that it serves from `tier`."""
        wait_until(
            lambda: all(each.json()["cache"] == tier for each in self.ask_all("/readyz")),
            within_s=RETURN_S,
        )

    def outages_since(self, began_at: datetime) -> list[dict[str, Any]]:
        """All outages that any worker has noticed from then on."""
        healths = [each.json() for each in self.ask_all("/api/cache/health")]
        return [
            outage
            for health in healths
            for outage in health["outages"]
            if datetime.fromisoformat(outage["began_at"]) >= began_at
        ]


def hit_in(answer: urllib3.BaseHTTPResponse) -> str | None:
    """The tier that an answer says it was a hit in."""
    name, outcome, *parameters = answer.headers["Cache-Status"].split("; ")
    details = dict(each.split("=") for each in parameters if "=" in each)
    return details["detail"] if (name, outcome) == ("larder", "hit") else None
