"""Calls of providers that go as they are written down."""

import threading

from providers import protocol
from providers.protocol import Chunk, ProviderUnavailable

__all__ = [
    "AWAY",
    "BAD",
    "BUSY",
    "END",
    "ROLE",
    "SLOW",
    "WORD",
    "Scripted",
    "Silent",
    "Watcher",
    "itself",
]

BUSY = ProviderUnavailable("busy", status=503)
AWAY = ProviderUnavailable("away", was_sent=False)
SLOW = protocol.ProviderTimeout("slow")
BAD = protocol.ProviderRejected("bad", status=400)
ROLE, WORD, END = Chunk(), Chunk(text="word"), Chunk(finish_reason="stop")


class Scripted:
    """A provider whose calls go one after the other as they are written down.

    A call is an error that refuses it, or a list of chunks, functions to be run, and errors.
    """

    def __init__(self, *calls):
        self.on_ask = lambda: None
        self.calls = list(calls)
        self.asked = []
        self.closed = 0

    def stream(self, request):
        """As `Provider` has it: the next call."""
        self.asked.append(request)
        self.on_ask()
        call = self.calls.pop(0)
        if isinstance(call, Exception):
            raise call
        return _Stream(self, call)

    def list_models(self):
        """As `Provider` has it: none."""
        return []


class _Stream:
    def __init__(self, provider, steps):
        self._provider = provider
        self._chunks = self._run(steps)

    def __iter__(self):
        return self._chunks

    def __next__(self):
        return next(self._chunks)

    def close(self):
        self._provider.closed += 1

    def _run(self, steps):
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Chunk):
                yield step
            else:
                step()


def itself(reached):
    """How a provider is reached that is there already."""
    return reached


class Watcher:
    """Notes the tries that failed: their place, fault and usage, and where the next goes."""

    def __init__(self):
        self.told = []

    def failed(self, failed, next_place):
        """As the attempts tell it."""
        self.told.append((failed.place, failed.fault, failed.usage, next_place))


class Silent:
    """A provider that answers nothing until one hangs up."""

    def __init__(self):
        self.asked, self.hung_up = threading.Event(), threading.Event()

    def stream(self, request):
        """As `Provider` has it: waits, then is lost."""
        request.on_wait(self.hung_up.set)
        self.asked.set()
        assert self.hung_up.wait(20)
        request.on_wait(None)
        raise protocol.ProviderLost("lost")

    def list_models(self):
        """As `Provider` has it: none."""
        return []
