"""The clients of the measurement: many at once in one event loop, timing what each one sees."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector

__all__ = ["Seen", "ask_repeatedly", "open_many", "stream_repeatedly"]

MARK = b'"content":'
KEY = "lk-benchmark-key-on-this-machine-only"


@dataclass(slots=True)
class Seen:
    """What the clients saw; times are seconds.

    `whole_s` has one figure an answer, `first_s` one a stream, `gaps_s` one a piece after the
    first.
    """

    answers: int = 0
    tokens: int = 0
    failed: int = 0
    took_s: float = 0.0
    whole_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)


def ask_repeatedly(url: str, model: str, *, clients: int, seconds: float) -> Seen:
    """Whole completions, one after the other, by so many clients for so long."""
    return uvloop.run(_repeat(url, model, clients=clients, seconds=seconds, stream=False))


def stream_repeatedly(url: str, model: str, *, clients: int, seconds: float) -> Seen:
    """Streams, one after the other, by so many clients for so long."""
    return uvloop.run(_repeat(url, model, clients=clients, seconds=seconds, stream=True))


def open_many(url: str, model: str, *, streams: int, ramp_s: float) -> Seen:
    """So many streams at once, begun evenly over `ramp_s` seconds, each read to its end."""
    return uvloop.run(_open_many(url, model, streams, ramp_s))


async def _repeat(url: str, model: str, *, clients: int, seconds: float, stream: bool) -> Seen:
    seen = Seen()
    async with _session() as session:
        await _one(session, url, model, stream, Seen())
        began_s = time.perf_counter()

        async def client() -> None:
            while time.perf_counter() - began_s < seconds:
                await _one(session, url, model, stream, seen)

        await asyncio.gather(*(client() for _ in range(clients)))
        seen.took_s = time.perf_counter() - began_s
    return seen


async def _open_many(url: str, model: str, streams: int, ramp_s: float) -> Seen:
    seen = Seen()
    async with _session() as session:
        began_s = time.perf_counter()

        async def client(number: int) -> None:
            await asyncio.sleep(ramp_s * number / streams)
            await _one(session, url, model, True, seen)

        await asyncio.gather(*(client(number) for number in range(streams)))
        seen.took_s = time.perf_counter() - began_s
    return seen


def _session() -> ClientSession:
    return ClientSession(
        connector=TCPConnector(limit=0),
        timeout=ClientTimeout(total=120),
        headers={"Authorization": f"Bearer {KEY}"},
    )


async def _one(session: ClientSession, url: str, model: str, stream: bool, seen: Seen) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "Say something short."}]}
    began_s = time.perf_counter()
    async with session.post(
        f"{url}/v1/chat/completions", json={**body, "stream": stream}
    ) as answer:
        if answer.status != 200:
            seen.failed += 1
            return
        if stream:
            await _read(answer.content.iter_any(), began_s, seen)
        else:
            await answer.read()
    seen.answers += 1
    seen.whole_s.append(time.perf_counter() - began_s)


async def _read(pieces: object, began_s: float, seen: Seen) -> None:
    last_s, tail = 0.0, b""
    async for piece in pieces:  # type: ignore[attr-defined]  # aiohttp's iterator has no public type
        now_s = time.perf_counter()
        if last_s:
            seen.gaps_s.append(now_s - last_s)
        else:
            seen.first_s.append(now_s - began_s)
        last_s = now_s
        text = tail + piece
        seen.tokens += text.count(MARK)
        tail = text[-(len(MARK) - 1) :]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of `values` do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
