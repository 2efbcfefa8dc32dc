"""The layer that sends hits, with Redis in front of memory."""

from dataclasses import replace

import pytest

from cache.extension import cache
from config import Settings
from telemetry.ids import new_id
from tests.factories.warm_requests import warmed

pytestmark = pytest.mark.server
PATH = "/api/folders"


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """Bodies come from Redis; hits are not audited, which would have all go the whole way."""
    return replace(
        settings,
        cache_audit_share=0.0,
        cache_backend="redis",
        cache_memory_first=False,
        cache_key_prefix=new_id(),
        redis_url=redis_url,
    )


def test_without_memory_in_front_the_body_comes_from_redis(app, alice, reached):
    """And who stands behind the key from the way that is remembered, under the same promise."""
    engine = cache.engine_of(app)
    whole = warmed(alice, PATH)
    came = len(reached)
    before = engine.statistics.snapshot()

    answer = alice.get(PATH)

    after = engine.statistics.snapshot()
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    assert len(reached) == came
    assert answer.headers["Cache-Status"].endswith("detail=redis")
    assert (answer.data, answer.headers["ETag"]) == (whole.data, whole.headers["ETag"])
    assert {name: by for name, by in grown.items() if by and name.startswith("reads|")} == {
        "reads|conversations|folders|hit|redis": 1,
        "reads|permissions|principal|hit|memory": 1,
    }


def test_hostile_bytes_in_redis_are_not_sent(app, alice):
    """The layer reads Redis as the engine does: signed, under its own key, or not at all."""
    engine = cache.engine_of(app)
    warmed(alice, PATH)
    client = engine.redis_client()
    stored = client.scan_iter(f"{engine.settings.key_prefix}:conversations:*")
    client.mset(dict.fromkeys(stored, b"\x80\x04 anything"))

    answer = alice.get(PATH)

    assert answer.json["items"] == []
    assert answer.headers["Cache-Status"].endswith("detail=signature")
