"""Calls made at the same moment, each on its own thread."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["together"]

LIMIT_S = 30


def together(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of `calls` returned, in their order; they begin at once."""
    results: list[Any] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(number: int) -> None:
        start.wait(LIMIT_S)
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    return results
