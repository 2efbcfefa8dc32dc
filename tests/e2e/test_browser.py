"""The page of JavaScript in `docs/streaming.md`, in a real browser on a wire that breaks."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.doubles.gunicorn_server import ADMIN_KEY, ROOT, GunicornServer
from tests.doubles.openai_server import KEY
from tests.doubles.redis_process import RedisProcess
from tests.doubles.server_programs import chromium_program, lacking
from tests.doubles.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("streams"), pytest.mark.timeout(180)]

SCRIPT = re.search(r"```js\n(.*?)```", (ROOT / "docs" / "streaming.md").read_text(), re.DOTALL)
WORDS = " ".join(f"word{number}" for number in range(38))
"""At 50 ms each, a stream of two seconds."""
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
LOAD = """async ([script, key]) => {
  const {larder} = await import("data:text/javascript;base64," + script);
  window.chat = larder("", key);
  window.cut = () => fetch("/cut");
}"""
ASK = """async ([conversation, words, cutAt]) => {
  const seen = [];
  for await (const event of window.chat.ask(conversation, {content: words})) {
    seen.push(event);
    if (seen.length === cutAt) await window.cut();
  }
  return seen;
}"""
WATCH = """async ([conversation, words, cutAt]) => {
  const asked = window.chat.ask(conversation, {content: words});
  const {value: start} = await asked.next();
  const seen = [];
  await new Promise((resolve) => window.chat.watch(start.data.stream_id, (event) => {
    seen.push(event);
    if (seen.length === cutAt) window.cut();
    if (["done", "error", "over"].includes(event.name)) resolve();
  }));
  return seen;
}"""
STOP = """async ([conversation, words]) => {
  const seen = [];
  for await (const event of window.chat.ask(conversation, {content: words})) {
    seen.push(event);
    if (seen.length === 4) await window.chat.stop(seen[0].data.stream_id);
  }
  return seen;
}"""


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory, provider_url: str) -> Iterator[GunicornServer]:
    """Two workers, either of which can go on with a stream of the other's."""
    redis = RedisProcess().start()
    server = GunicornServer(
        tmp_path_factory.mktemp("browser"),
        CACHE_BACKEND="redis",
        REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
        CACHE_REDIS_TIMEOUT="5",  # on a busy machine: without Redis no worker reads another's
        CACHE_REDIS_CONNECT_TIMEOUT="5",
        OPENAI_BASE_URL=provider_url,
        OPENAI_API_KEY=KEY,
    ).start()
    yield server
    server.stop()
    redis.kill()


@pytest.fixture
def wire(larder: GunicornServer) -> Iterator[TcpProxy]:
    """The wire between browser and server."""
    proxy = TcpProxy(larder.port)
    yield proxy
    proxy.close()


@pytest.fixture
def page(larder: GunicornServer, wire: TcpProxy) -> Iterator[Page]:
    """An empty page of Larder's origin that has the script; asking for `/cut` cuts the wire."""
    program = chromium_program()
    if program is None:
        lacking("chromium")
    assert SCRIPT is not None
    script = base64.b64encode(SCRIPT[1].encode()).decode()

    def cut(route: Any) -> None:
        wire.cut()
        route.fulfill(status=204)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        page = browser.new_page()
        page.route("**/blank", lambda route: route.fulfill(body="<p>", content_type="text/html"))
        page.route("**/cut", cut)
        page.goto(f"http://127.0.0.1:{wire.port}/blank")
        page.evaluate(LOAD, [script, ADMIN_KEY])
        yield page
        browser.close()


def _chat(larder: GunicornServer) -> str:
    made: str = larder.post("/api/conversations", {"model": "openai/slow"}).json()["id"]
    return made


def _text(seen: list[dict[str, Any]]) -> str:
    return "".join(each["data"]["text"] for each in seen if each["name"] == "delta")


def test_an_answer_is_read_to_its_end_though_the_wire_is_cut(larder, page):
    """The page reads on where it was; nothing is missing and nothing comes twice."""
    seen = page.evaluate(ASK, [_chat(larder), WORDS, 7])

    assert _text(seen) == f"You said: {WORDS} "
    assert [seen[0]["name"], seen[-1]["name"]] == ["start", "done"]


def test_an_event_source_follows_a_stream_though_the_wire_is_cut(larder, page):
    """The browser's own client comes again by itself, with a ticket in place of a key."""
    seen = page.evaluate(WATCH, [_chat(larder), WORDS, 5])

    assert _text(seen) == f"You said: {WORDS} "
    assert seen[-1]["name"] == "done"


def test_an_event_source_that_is_refused_is_opened_anew(larder, page):
    """A 503 is the end for the browser's client, and none for the page."""
    page.route("**/api/streams/*?ticket=*", lambda route: route.fulfill(status=503), times=1)

    seen = page.evaluate(WATCH, [_chat(larder), WORDS, 5])

    assert _text(seen) == f"You said: {WORDS} "
    assert seen[-1]["name"] == "done"


def test_a_page_stops_an_answer(larder, page):
    """What was written so far stays; the stream says how it ended."""
    seen = page.evaluate(STOP, [_chat(larder), f"{WORDS} {WORDS}"])

    assert seen[-1]["data"]["finish_reason"] == "cancelled"
    assert len(seen) < 40
