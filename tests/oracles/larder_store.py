"""Larder as the oracles see it: conversations whose titles are versions, asked over HTTP."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import urllib3

from tests.doubles.gunicorn_server import GunicornServer
from tests.doubles.together import together

__all__ = ["LarderStore"]

TRIES = 6
"""At once, each on a connection of its own: so every worker answers some of them."""
FRESH = {"Cache-Control": "no-store"}
NEW_CONNECTION = {"Connection": "close"}


class LarderStore:
    """`Store` on one or more servers of one installation, a conversation for each key.

    Reads and writes go to the servers in turn. Any answer but a 200 is noted in `failures`; a
    connection that breaks, as it does under a worker that is killed, is no answer.
    """

    def __init__(self, servers: Sequence[GunicornServer], keys: Sequence[str]) -> None:
        self._servers = servers
        self._turn = 0
        self._paths = {key: self._make() for key in keys}
        self.failures: list[str] = []

    def write(self, key: str, version: int) -> bool:
        """Have the conversation of `key` bear the version in its title."""
        return self._ask("PATCH", key, json={"title": f"version {version}"}) is not None

    def read(self, key: str, headers: dict[str, str] | None = None) -> int | None:
        """The version in the title that is served."""
        answer = self._ask("GET", key, headers={**NEW_CONNECTION, **(headers or {})})
        return None if answer is None else int(answer["title"].rpartition(" ")[2])

    def differences(self) -> list[str]:
        """The second oracle: what any worker serves of a quiet installation, and the database not.

        A value that was never acknowledged may have been written or not; both are right, but all
        have to say the same.
        """
        found = []
        for key in self._paths:
            truth = self.read(key, FRESH)
            served = together([partial(self.read, key)] * TRIES * len(self._servers))
            found += [f"{key}: {each} served, {truth} kept" for each in served if each != truth]
        return found

    def _make(self) -> str:
        new = {"title": "version 0", "model": "demo/echo"}
        answer = self._servers[0].post("/api/conversations", new)
        assert answer.status == 201, answer.data
        return f"/api/conversations/{answer.json()['id']}"

    def _ask(self, method: str, key: str, **options: Any) -> Any:
        self._turn += 1
        server = self._servers[self._turn % len(self._servers)]
        try:
            answer = server.request(method, self._paths[key], **options)
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status != 200:
            self.failures.append(f"{method}: {answer.status} {answer.data[:200]!r}")
            return None
        return answer.json()
