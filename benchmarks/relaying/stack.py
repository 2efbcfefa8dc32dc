"""The least that the same frame takes: Flask, urllib3 and two committed rows for each call.

No key, budget, price, cache, log, retry or error: what Larder takes beyond this is its own. Served
by gunicorn as Larder is; `PROVIDER_URL` says whom it relays, `DATABASE_URL` where its rows go.
`python -m benchmarks.relaying.stack` makes the table, before there are workers.
"""

import os
import time
from collections.abc import Iterator

import urllib3
from flask import Flask, Response, request
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, create_engine, event, insert

__all__ = ["app"]

PROVIDER = os.environ["PROVIDER_URL"] + "/chat/completions"
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000")
PIECE = 64 * 1024

app = Flask(__name__)
engine = create_engine(
    os.environ["DATABASE_URL"],
    pool_size=20,
    max_overflow=2000,
)
tables = MetaData()
rows = Table(
    "rows",
    tables,
    Column("id", Integer, primary_key=True),
    Column("model", String),
    Column("at", Float),
)
pool = urllib3.PoolManager(num_pools=1, maxsize=2000, block=False)


@event.listens_for(engine, "connect")
def _prepare(connection: object, record: object) -> None:
    del record
    for each in PRAGMAS:
        connection.execute(f"PRAGMA {each}")  # type: ignore[attr-defined]  # the driver's own


ROW = insert(rows)


def _note(model: str) -> None:
    with engine.begin() as connection:
        connection.execute(ROW, {"model": model, "at": time.time()})


@app.get("/healthz")
def healthz() -> str:
    """That it serves."""
    return "ok"


@app.post("/v1/chat/completions")
def relay() -> Response:
    """Note the call, pass it on, and note its end."""
    body = request.get_json()
    model = body["model"]
    _note(model)
    answer = pool.request("POST", PROVIDER, json=body, preload_content=False, retries=False)

    def pieces() -> Iterator[bytes]:
        while piece := answer.read1(PIECE):
            yield piece
        answer.release_conn()
        _note(model)

    content_type = answer.headers["Content-Type"]
    if body.get("stream"):
        return Response(pieces(), content_type=content_type)
    return Response(b"".join(pieces()), content_type=content_type)


if __name__ == "__main__":
    tables.create_all(engine)  # by one process: a worker that finds it half made would not boot
