"""What the tests of the cache share: generations without a table, and Redis, faked and real."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakeredis import FakeServer
from flask import Flask, request_started

from cache.backends.redis import RedisTier
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_tier import make_tier

pytest.register_assert_rewrite("tests.cache.suite", "tests.cache.suite_verbs")


@pytest.fixture
def store() -> FakeGenerations:
    """The generations that all workers of a test share."""
    return FakeGenerations()


@pytest.fixture
def server() -> FakeServer:
    """Redis, without a process; `connected` is its cable."""
    return FakeServer()


@pytest.fixture
def new_tier(clock: FakeClock) -> Iterator[Callable[..., RedisTier]]:
    """Makes Redis tiers, and ends them."""
    made: list[RedisTier] = []

    def make(client: Any, **options: Any) -> RedisTier:
        made.append(make_tier(client, clock=clock, **options))
        return made[-1]

    yield make
    for tier in made:
        tier.stop()


@pytest.fixture
def reached(app: Flask) -> Iterator[list[str]]:
    """One word for each request that came to Flask, past the layer that sends hits."""
    came: list[str] = []

    def note(sender: Flask, **_: Any) -> None:
        came.append(sender.name)

    request_started.connect(note, app)
    yield came
    request_started.disconnect(note, app)
