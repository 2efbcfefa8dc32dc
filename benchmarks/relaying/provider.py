"""A mock provider that costs next to nothing: OpenAI's format, paced by the model's name.

`mock-64-10` streams 64 tokens 10 ms apart; without `stream` any model answers at once.
`python -m benchmarks.relaying.provider PORT` serves on loopback.
"""

import asyncio
import json
import sys

import uvloop
from aiohttp import web

__all__ = ["MODELS", "main"]

MODELS = ("mock-64-0", "mock-256-0", "mock-1024-0", "mock-64-10", "mock-100-50")
USAGE = {"prompt_tokens": 9, "completion_tokens": 64, "total_tokens": 73}
WHOLE = {
    "id": "chatcmpl-mock",
    "object": "chat.completion",
    "created": 1,
    "model": "mock",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "A short answer of a few words."},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}


def _line(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    return _line({**head, "choices": [choice]})


TOKEN = _chunk({"content": " token"})
LAST = _chunk({}, "stop")
USAGE_LINE = _line(
    {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock",
     "choices": [], "usage": USAGE}
)  # fmt: skip
DONE = b"data: [DONE]\n\n"


async def _complete(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    if not asked.get("stream"):
        return web.json_response(WHOLE)
    _, tokens, pause_ms = asked["model"].rsplit("-", 2)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(int(tokens)):
        await response.write(TOKEN)
        await asyncio.sleep(int(pause_ms) / 1000)
    await response.write(LAST + USAGE_LINE + DONE)
    await response.write_eof()
    return response


async def _models(request: web.Request) -> web.Response:
    del request
    rows = [{"id": each, "object": "model", "owned_by": "mock"} for each in MODELS]
    return web.json_response({"object": "list", "data": rows})


def main(port: int) -> None:
    """Serve until told to go."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _complete)
    app.router.add_get("/v1/models", _models)
    web.run_app(
        app, host="127.0.0.1", port=port, print=None, access_log=None, loop=uvloop.new_event_loop()
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
