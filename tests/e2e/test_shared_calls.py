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

pytestmark = [pytest.mark.server]

CALLERS, WORKERS = 12, 2
KEEP_ALIVE = b": keep-alive\n\n"


def _ask(server, nonce):
    """Ask on a connection of its own, so that both workers are met."""
    body = {
        "model": "openai/slow",
        "messages": [{"role": "user", "content": f"one two three four five six {nonce}"}],
        "stream": True,
        "cache": {"ttl": 60},
    }
    with urllib3.PoolManager(retries=False, timeout=60) as http:
        answer = http.request(
            "POST",
            f"{server.url}/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        )
        return answer.headers["X-Larder-Cache"], answer.data.replace(KEEP_ALIVE, b"")


def _asked_upstream(provider_url, nonce):
    raw = urllib3.request("GET", provider_url.removesuffix("/v1") + "/_requests").data
    return sum(nonce in json.dumps(each) for each in json.loads(raw))


def _round(server, provider_url, nonce):
    """What came of many asking the same at once."""
    answers = together([partial(_ask, server, nonce)] * CALLERS)
    later = _ask(server, nonce)
    return {
        "asked": _asked_upstream(provider_url, nonce),
        "bodies": len({each[1] for each in [*answers, later]}),
        "coalesced": Counter(each[0] for each in answers)["coalesced"],
        "later": later[0],
    }


@pytest.fixture
def larder(tmp_path, provider_url):
    """Two workers over a Redis of their own."""
    redis = RedisProcess().start()
    server = GunicornServer(
        tmp_path,
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


def test_workers_share_a_call_and_what_was_kept_of_it(larder, provider_url):
    """Every reader has the same bytes; the provider was asked once.

    A moment in which Redis is too slow lets each worker ask for itself, which is no fault: one
    round of three without such a moment is enough.
    """
    rounds = [_round(larder, provider_url, f"nonce-{number}") for number in range(3)]

    assert [each["asked"] <= WORKERS for each in rounds] == [True] * 3
    assert [each["bodies"] for each in rounds] == [1] * 3
    assert [each["later"] for each in rounds] == ["hit"] * 3
    assert min(each["asked"] for each in rounds) == 1
    assert max(each["coalesced"] for each in rounds) > CALLERS // WORKERS
