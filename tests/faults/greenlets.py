"""Greenlets that are torn away from Redis in mid-answer; run as a program, in a process of its own.

`python -m tests.faults.greenlets <url> <times>`: prints how many were torn away, how many answers
were another's, and how many came.
"""

# ruff: noqa: E402 (gevent patches what the rest imports)
from gevent import monkey

monkey.patch_all()

import random
import sys

import gevent  # type: ignore[import-untyped, unused-ignore]
from redis.exceptions import RedisError

from cache.connection import Connection
from cache.settings import CacheSettings

__all__: list[str] = []

AT_ONCE = 8
PATIENCES_S = (0.0001, 0.0003, 0.001, 0.003, 5.0)
"""Too short, for some of the calls on any machine; and long enough."""


def _main(url: str, times: int) -> None:
    connection = Connection(CacheSettings(redis_url=url, timeout_s=5.0, connect_timeout_s=5.0))
    names = [f"name-{number}" for number in range(AT_ONCE)]
    for name in names:
        connection.client().set(name, name)
    counts = {"torn": 0, "wrong": 0, "right": 0}

    def ask(name: str) -> None:
        for _ in range(times // AT_ONCE):
            try:
                with gevent.Timeout(random.choice(PATIENCES_S)):  # noqa: S311 (no secret)
                    answer = connection.client().get(name)
            except (gevent.Timeout, RedisError):
                counts["torn"] += 1
            else:
                counts["right" if answer == name.encode() else "wrong"] += 1

    gevent.joinall([gevent.spawn(ask, name) for name in names])
    print(counts["torn"], counts["wrong"], counts["right"])  # noqa: T201 (what it is run for)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
