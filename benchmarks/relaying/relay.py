"""The bare relay that Larder is compared with: aiohttp on uvloop, no key, no ledger, no log.

`python -m benchmarks.relaying.relay PORT PROVIDER_URL` serves on loopback; two share the port.
"""

import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, web

__all__ = ["main"]

CLIENT = web.AppKey("client", ClientSession)


def main(port: int, provider: str) -> None:
    """Serve until told to go."""

    async def relay(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {"Content-Type": "application/json"}
        url = provider + "/chat/completions"
        async with request.app[CLIENT].post(url, data=body, headers=headers) as answer:
            response = web.StreamResponse(headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async def begin(app: web.Application) -> None:
        app[CLIENT] = ClientSession(connector=TCPConnector(limit=0))

    async def end(app: web.Application) -> None:
        await app[CLIENT].close()

    app = web.Application()
    app.router.add_post("/v1/chat/completions", relay)
    app.on_startup.append(begin)
    app.on_cleanup.append(end)
    web.run_app(
        app, host="127.0.0.1", port=port, print=None, access_log=None, reuse_port=True,
        loop=uvloop.new_event_loop(),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
