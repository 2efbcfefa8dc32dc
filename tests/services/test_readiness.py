"""Readiness: without the database nothing can be answered, without Redis everything can."""

from dataclasses import replace

import pytest

from app import create_app
from database.session import db
from services import readiness
from tests.doubles.redis_process import RedisProcess, free_port


def test_with_a_database_it_is_ready(app):
    """And says what the cache stands on."""
    with app.app_context():
        state = readiness.check()

    assert (state["status"], state["database"]) == ("ready", "ok")
    assert state["cache"] in {"memory", "redis"}


def test_without_a_database_it_is_not(settings):
    """A load balancer sends nobody here."""
    url = f"postgresql+psycopg://larder@127.0.0.1:{free_port()}/none"
    app = create_app(replace(settings, database_url=url))

    with app.app_context():
        state = readiness.check()

    assert (state["status"], state["database"]) == ("unready", "away")
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("backend", ["auto", "memory"])
def test_without_redis_it_is_ready_on_memory(settings, backend):
    """The cache may be away: that is a state, no fault."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    app = create_app(replace(settings, cache_backend=backend, redis_url=url))

    with app.app_context():
        state = readiness.check()

    assert (state["status"], state["cache"]) == ("ready", "memory")
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()


@pytest.mark.server
def test_a_redis_that_was_killed_is_not_said_to_serve(settings):
    """Hits in memory do not ask it, so readiness does."""
    redis = RedisProcess().start()
    app = create_app(
        replace(settings, cache_backend="auto", redis_url=f"redis://127.0.0.1:{redis.port}/0")
    )

    with app.app_context():
        before = readiness.check()["cache"]
        redis.kill()
        after = readiness.check()["cache"]

    assert (before, after) == ("redis", "memory")
    app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        db.engine.dispose()
