"""One call for the same request at the same moment, over real workers and a real Redis."""

import json
from collections import Counter
from functools import partial

import pytest
import urllib3

from tests.doubles.gunicorn_server import ADMIN_KEY, GunicornServer
from tests.doubles.openai_server import KEY
from tests.doubles.redis_process import RedisProcess
from tests.doubles.together import together
from tests.factories.chats import events_of

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gunicorn")]

CALLERS, WORKERS = 12, 2
KEEP_ALIVE = b": keep-alive\n\n"
WORDS = "one two three four five six"
ON = {"cache": {"ttl": 60}}


def _complete(server, nonce):
    """Ask under `/v1`; how the cache was met, and the bytes of the answer."""
    said = {"role": "user", "content": f"{WORDS} {nonce}"}
    body = {"model": "openai/slow", "messages": [said], "stream": True, **ON}
    answer = _posted(server, "/v1/chat/completions", body)
    return answer.headers["X-Larder-Cache"], answer.data.replace(KEEP_ALIVE, b"")


def _converse(server, nonce):
    """Ask in a conversation of one's own; how the cache was met, and what was said."""
    chat = _posted(server, "/api/conversations", {"model": "openai/slow"}).json()["id"]
    body = {"content": f"{WORDS} {nonce}", **ON}
    answer = _posted(server, f"/api/conversations/{chat}/messages", body)
    events = events_of(answer.data)
    assert [events[0][0], events[-1][0]] == ["start", "done"]
    deltas = [data for name, data in events if name == "delta"]
    return answer.headers["X-Larder-Cache"], json.dumps(deltas)


def _posted(server, path, body):
    """Post on a connection of its own, so that both workers are met."""
    with urllib3.PoolManager(retries=False, timeout=60) as http:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        return http.request("POST", f"{server.url}{path}", json=body, headers=headers)


def _asked_upstream(provider_url, nonce):
    raw = urllib3.request("GET", provider_url.removesuffix("/v1") + "/_requests").data
    return sum(nonce in json.dumps(each) for each in json.loads(raw))


def _round(ask, server, provider_url, nonce):
    """What came of many asking the same at once."""
    answers = together([partial(ask, server, nonce)] * CALLERS)
    later = ask(server, nonce)
    return {
        "asked": _asked_upstream(provider_url, nonce),
        "bodies": len({each[1] for each in [*answers, later]}),
        "coalesced": Counter(each[0] for each in answers)["coalesced"],
        "later": later[0],
    }


@pytest.fixture(scope="module")
def larder(tmp_path_factory, provider_url):
    """Two workers over a Redis of their own."""
    redis = RedisProcess().start()
    server = GunicornServer(
        tmp_path_factory.mktemp("shared"),
        CACHE_BACKEND="redis",
        REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
        CACHE_REDIS_TIMEOUT="5",  # on a busy machine: a circuit that opens ends all sharing
        CACHE_REDIS_CONNECT_TIMEOUT="5",
        OPENAI_BASE_URL=provider_url,
        OPENAI_API_KEY=KEY,
    ).start()
    yield server
    server.stop()
    redis.kill()


@pytest.mark.parametrize("ask", [_complete, _converse])
def test_workers_share_a_call_and_what_was_kept_of_it(larder, provider_url, ask):
    """Every reader has the same bytes; the provider was asked once.

    A moment in which Redis is too slow lets each worker ask for itself, which is no fault: one
    round of three without such a moment is enough.
    """
    nonces = [f"nonce-{ask.__name__}-{number}" for number in range(3)]
    rounds = [_round(ask, larder, provider_url, each) for each in nonces]

    assert max(each["asked"] for each in rounds) < CALLERS
    assert [each["bodies"] for each in rounds] == [1] * 3
    assert [each["later"] for each in rounds] == ["hit"] * 3
    assert min(each["asked"] for each in rounds) == 1
    assert max(each["coalesced"] for each in rounds) > CALLERS // WORKERS
